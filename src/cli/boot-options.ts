import { dirname, resolve } from 'node:path';
import { type KeepOptions, parsePruneBackups } from '../config/prune-backups.js';
import type { ReadConfig } from '../config/read-config.js';
import { LifeboatError } from '../error.js';
import type { EngineChoice } from '../image/choose-engine.js';
import type { DataKind, Priority } from '../policy/facts.js';
import type { BootOptions } from '../sets/boot.js';
import { codecOf, naturalOf, paceOf, threadsOf } from './common-options.js';
import { wishesOf } from './policy-options.js';

/** As given on the command line; undefined, or left out: the configuration decides. */
export interface BootFlags {
  to?: string | undefined;
  disk?: string | undefined;
  compress?: string | undefined;
  level?: number | undefined;
  threads?: number | undefined;
  engine: EngineChoice;
  bwlimit?: number | undefined;
  ionice?: number | undefined;
  priority?: Priority | undefined;
  kind?: DataKind | undefined;
  finishBy?: string | undefined;
  snapshot?: BootOptions['snapshot'] | undefined;
  requireConsistent?: boolean | undefined;
  includeGuests?: boolean | undefined;
  exclude?: string | undefined;
  /** Empty: any mount will do. */
  requireMount?: string | boolean | undefined;
  allowSameDisk?: boolean | undefined;
  verify?: boolean | undefined;
  rescueKit?: boolean | undefined;
  lockwait?: number | undefined;
  pruneBackups?: string | undefined;
  dryRun: boolean;
}

export interface BootChoice {
  boot: Omit<BootOptions, 'signal' | 'onWait' | 'onStart' | 'knowledge'>;
  keep: KeepOptions;
}

const DEFAULT_DIRECTORY = '/etc/lifeboat';
/** A week. */
const LONGEST_WAIT_MINUTES = 10_080;

/**
 * What a run of boot is to do: flags, and for what they do not say the configuration.
 * @throws LifeboatError USAGE for flags that are wrong, or where nothing says where to put the set
 */
export function bootChoiceOf(flags: BootFlags, { config, path, exists }: ReadConfig): BootChoice {
  const { boot } = config;
  const to = flags.to ?? boot.to;
  if (to === undefined)
    throw new LifeboatError('USAGE', 'lifeboat boot needs the directory that keeps the sets', {
      hint: `lifeboat boot --to /mnt/nas/lifeboat; or write to = "/mnt/nas/lifeboat" under [boot] in ${path}`,
    });
  const directory = resolve(dirname(path));
  return {
    boot: {
      to,
      disk: flags.disk ?? boot.disk,
      codec: codecOf(flags.compress ?? boot.compress),
      // A level belongs to the codec that it was written for.
      level: flags.level ?? (flags.compress === undefined ? boot.level : undefined),
      engine: flags.engine,
      threads: threadsOf(flags.threads ?? (boot.threads === 0 ? undefined : boot.threads)),
      ...paceOf({ bwlimit: flags.bwlimit ?? boot.bwlimit, ionice: flags.ionice ?? boot.ionice }),
      wishes: wishesOf(flags, boot),
      snapshot: flags.snapshot ?? boot.snapshot,
      requireConsistent: flags.requireConsistent ?? boot['require-consistent'],
      includeGuests: flags.includeGuests ?? boot['include-guests'],
      exclude: flags.exclude?.split(',').filter((name) => name !== '') ?? boot.exclude,
      requireMount: flags.requireMount === '' ? true : (flags.requireMount ?? boot['require-mount']),
      allowSameDisk: flags.allowSameDisk ?? boot['allow-same-disk'],
      verify: flags.verify ?? boot.verify,
      rescueKit: flags.rescueKit ?? boot['rescue-kit'],
      dryRun: flags.dryRun,
      lockwaitMinutes: lockwaitOf(flags.lockwait ?? (exists ? boot.lockwait : 0)),
      configPaths: exists && directory !== DEFAULT_DIRECTORY ? [directory] : [],
    },
    keep: flags.pruneBackups === undefined ? parsePruneBackups(boot['prune-backups']) : keepOf(flags.pruneBackups),
  };
}

function lockwaitOf(minutes: number): number {
  return naturalOf('--lockwait', minutes, LONGEST_WAIT_MINUTES);
}

function keepOf(text: string): KeepOptions {
  try {
    return parsePruneBackups(text);
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    const { message, hint } = error;
    throw new LifeboatError('USAGE', `--prune-backups ${message}`, { hint });
  }
}
