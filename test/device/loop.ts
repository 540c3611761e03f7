import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** For `skip`: why loop devices cannot be used here, or false. */
export const noLoops: string | false =
  process.getuid?.() !== 0
    ? 'needs root'
    : existsSync('/dev/loop-control')
      ? false
      : 'there is no /dev/loop-control in this container';

export interface Loop {
  device: string;
  file: string;
  /** A directory of the loop's own, gone after `detach`. */
  directory: string;
  detach(): Promise<void>;
}

export async function attachLoop(sizeBytes: number, options: string[] = []): Promise<Loop> {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-loop-'));
  const file = join(directory, 'disk.img');
  const fd = openSync(file, 'w');
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  const { stdout } = await execa('losetup', [...options, '--find', '--show', file]);
  const device = stdout.trim();
  // Partitions stay with a loop device, whatever is attached to it next.
  const forgetPartitions = () => execa('partx', ['--delete', device], { reject: false });
  if (!options.includes('--partscan')) await forgetPartitions();
  return {
    device,
    file,
    directory,
    detach: async () => {
      await forgetPartitions();
      await execa('losetup', ['--detach', device]);
      rmSync(directory, { recursive: true });
    },
  };
}

/** Runs a shell line with `$1` as given, until it has printed its first line. Kill what comes back. */
export async function holding(line: string, argument: string): Promise<{ pid: number; end(): Promise<void> }> {
  const subprocess = execa('sh', ['-c', line, 'sh', argument], { reject: false });
  const pid = subprocess.pid;
  if (pid === undefined) throw new Error(`Cannot run sh -c '${line}'`);
  await new Promise<void>((resolve, reject) => {
    subprocess.stdout.once('data', () => resolve());
    subprocess.once('exit', (code) => reject(new Error(`sh -c '${line}' ended with ${code}`)));
  });
  return {
    pid,
    end: async () => {
      subprocess.kill('SIGKILL');
      await subprocess;
    },
  };
}
