import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../error.js';
import { ENVIRONMENT } from './command.js';

/**
 * A process of its own freezes and thaws, for a root file system that stays frozen hangs the host: it thaws as soon as we
 * say so, when we end in whatever way (its standard input is a pipe from us), and when the time is over. It runs in its
 * own session, so what is sent to our process group does not reach it, and lives on descriptor 3, so no mount that moves
 * can lead it elsewhere. `timeout -s KILL` because the signals ignored here are ignored by `cat` too.
 */
const GUARD = `trap '' HUP INT TERM PIPE
fsfreeze --freeze /proc/self/fd/3 || exit 1
echo frozen
timeout -s KILL "$1" cat >/dev/null
[ $? -eq 0 ] && ended=0 || ended=2
for try in 1 2 3 4 5; do
  fsfreeze --unfreeze /proc/self/fd/3 && exit $ended
  sleep 0.2
done
exit 3`;

/** Freezing waits for what is being written. More than this is a file system under load, and none to stop. */
const PATIENCE_MS = 5000;

/** For a freeze that comes after all to be over again; it is not waited for longer, for a stop has 5 s. */
const GRACE_MS = 1500;

export interface Frozen {
  /**
   * Thaws, to be called on every way out. Idempotent.
   * @returns whether it stood still up to now; false if its time was over before
   */
  thaw(): Promise<boolean>;
}

export interface FreezeOptions {
  /** Thawed by then at the latest, whatever happens. */
  limitS: number;
  /** Lets go what a freeze waits for, after it has waited in vain; in words, what that was. */
  unblock?: () => string | undefined;
  signal: AbortSignal;
  say(text: string): void;
  /** For messages. */
  device: string;
  patienceMs?: number;
  /** Replaced by tests. */
  guard?: string;
}

/**
 * Makes the file system of an open directory stand still, the root's too. Nobody may write to it meanwhile, we least of all:
 * whoever does waits until it is thawed.
 * @throws LifeboatError FAILED if it cannot be frozen; the signal's reason. It is not frozen then, or thaws by itself.
 */
export async function freezeGuarded(directoryFd: number, options: FreezeOptions): Promise<Frozen> {
  const { limitS, unblock, signal, say, device, patienceMs = PATIENCE_MS, guard = GUARD } = options;
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', guard, 'lifeboat-freeze', String(limitS)], {
    stdio: ['pipe', 'pipe', 'pipe', directoryFd],
    env: ENVIRONMENT,
    cwd: '/',
    detached: true,
  });
  let complaint = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    complaint += bytes;
  });
  // A guard that has ended already leaves nobody to read.
  child.stdin?.on('error', () => undefined);
  const ended = new Promise<number | undefined>((resolve) => {
    child.once('error', (error) => {
      complaint += error.message;
      resolve(undefined);
    });
    child.once('close', (status) => resolve(status ?? undefined));
  });
  const stopped = new Promise<'stopped'>((resolve) => {
    signal.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patienceMs);
  });
  const frozen = new Promise<'frozen'>((resolve) => child.stdout?.once('data', () => resolve('frozen')));

  let thawing: Promise<boolean> | undefined;
  async function thaw(): Promise<boolean> {
    child.stdin?.end();
    const status = await ended;
    if (status === 3)
      say(`cannot thaw ${device}: whatever writes to it waits until you type fsfreeze -u on its mount point`);
    return status === 0;
  }
  const first = await Promise.race([frozen, ended, stopped, late]).finally(() => clearTimeout(timer));
  if (first === 'frozen') return { thaw: () => (thawing ??= thaw()) };
  // It thaws at once should it come to freeze after all.
  child.stdin?.end();
  const unblocked = first === 'late' ? unblock?.() : undefined;
  const grace = new AbortController();
  await Promise.race([ended, sleep(GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined)]);
  grace.abort();
  if (first === 'stopped') signal.throwIfAborted();
  if (first === 'late')
    throw new LifeboatError('FAILED', `Cannot freeze ${device}: it still wrote after ${patienceMs / 1000} s`, {
      hint: unblocked ?? 'run this when less is written',
    });
  throw new LifeboatError(
    'FAILED',
    `Cannot freeze ${device}: ${complaint.trim().split('\n').at(-1) || 'no reason given'}`,
    {
      hint: 'is it frozen already (fsfreeze -u MOUNTPOINT thaws it)?',
    },
  );
}
