import { existsSync } from 'node:fs';
import { runCommand } from '../device/command.js';
import { type HostFileMaker, NotOnThisHost } from './host-file.js';

/** /etc of a large host has tens of thousands of files, perhaps on a slow disk. */
const LIMIT_MS = 5 * 60_000;
/** "Some files were changed while being archived": so it is on a host that runs. */
const CHANGED = 1;
/** Something could not be read, or the archive could not be written. */
const TROUBLE = 2;

const PROGRAM_DIRECTORIES = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

export interface ArchiveOptions {
  /** Patterns of tar, relative to the root directory. */
  exclude?: readonly string[];
  /** Where this path is missing there is nothing to save. */
  needs?: string | undefined;
  /** For tests: how to compress. zstd where it is installed; gzip is on every Debian. */
  compression?: 'zstd' | 'gzip';
}

/**
 * A compressed tar of some files and directories, with owners as numbers, ACLs and extended attributes; other file
 * systems mounted below are not walked. Read back before it counts.
 * @param name without its ending: ".tar.zst", or ".tar.gz" where zstd is not installed
 * @param paths absolute; what is missing of them is left out
 */
export function archive(name: string, paths: readonly string[], options: ArchiveOptions = {}): HostFileMaker {
  const compression = options.compression ?? (isInstalled('zstd') ? 'zstd' : 'gzip');
  const present = outermost(paths.filter((path) => existsSync(path)));
  const create = (path: string): string[] => [
    '--create',
    ...reading(path, compression),
    '--one-file-system',
    '--numeric-owner',
    '--acls',
    '--xattrs',
    '--xattrs-include=*',
    ...(options.exclude ?? []).map((pattern) => `--exclude=${pattern}`),
    '--directory=/',
    '--',
    ...present.map((path) => path.slice(1)),
  ];
  return {
    name: `${name}.tar.${compression === 'zstd' ? 'zst' : 'gz'}`,
    madeBy: ['tar', ...create('FILE')].join(' '),
    needs: options.needs,
    limitMs: LIMIT_MS,
    async make(path, signal) {
      if (present.length === 0) throw new NotOnThisHost(`this host has no ${paths.join(', ')}`);
      const made = await runCommand('tar', create(path), {
        signal,
        allowMissing: true,
        okStatuses: [0, CHANGED, TROUBLE],
      });
      if (made === undefined) throw new NotOnThisHost('tar is not installed: apt install tar');
      // After trouble this tells an archive that lacks a file from one that is cut.
      await runCommand('tar', ['--list', ...reading(path, compression)], { signal });
      return made.status === TROUBLE ? `not everything could be read: ${firstComplaint(made.stderr)}` : undefined;
    },
  };
}

/** A colon in a name would make it a file on another host. */
function reading(path: string, compression: 'zstd' | 'gzip'): string[] {
  return [`--${compression}`, '--force-local', `--file=${path}`];
}

function isInstalled(program: string): boolean {
  return PROGRAM_DIRECTORIES.some((directory) => existsSync(`${directory}/${program}`));
}

/** What lies below another of the paths is in the archive already. */
function outermost(paths: readonly string[]): string[] {
  const unique = [...new Set(paths.map((path) => path.replace(/(?<=.)\/+$/, '')))];
  return unique.filter((path) => !unique.some((other) => other !== path && path.startsWith(`${other}/`)));
}

/** tar's last line only says that there were errors. */
function firstComplaint(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '');
  return lines.find((line) => !/file changed as we read it|socket ignored|Exiting with failure/.test(line)) ?? '';
}
