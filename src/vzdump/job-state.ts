import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readProcessStat } from '../device/process-stat.js';
import { fromSystem } from '../error.js';

/**
 * What one call of the hook has to tell a later one of the same job. vzdump names no job, so a job is the process that
 * calls us: its number, and when it was started, for numbers come again.
 */
export interface JobIdentity {
  pid: number;
  /** In clock ticks since the host was started. */
  startTicks: number;
}

export interface JobState {
  /** What was made, in order. */
  archives: { vmid: string; type: string | undefined; target: string }[];
  /** Guests that failed, until their logs are read. */
  aborted: string[];
}

const FILE = 'vzdump-job.json';
const MOST_BYTES = 4 * 1024 * 1024;
/** More guests than a node has. */
const MOST_ENTRIES = 10_000;

/** @throws LifeboatError FAILED */
export function callingJob(pid = process.ppid): JobIdentity {
  try {
    return { pid, startTicks: Number(readProcessStat(pid).startTicks) };
  } catch (error) {
    throw fromSystem(error, 'read', `/proc/${pid}/stat`);
  }
}

/**
 * @param directory of the history
 * @returns what this job has left; nothing where another job, which has ended or was killed, has left it
 * @throws LifeboatError FAILED
 */
export function readJobState(directory: string, job: JobIdentity): JobState {
  const path = join(directory, FILE);
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.uid !== process.geteuid?.() || stats.size > MOST_BYTES) return empty();
      return parse(readFileSync(fd, 'utf8'), job);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty();
    throw fromSystem(error, 'read', path);
  }
}

/** @throws LifeboatError */
export function changeJobState(directory: string, job: JobIdentity, change: (state: JobState) => void): void {
  const state = readJobState(directory, job);
  change(state);
  const { archives, aborted } = state;
  const kept = { job, archives: archives.slice(-MOST_ENTRIES), aborted: aborted.slice(-MOST_ENTRIES) };
  const path = join(directory, FILE);
  const partial = `${path}.partial`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    rmSync(partial, { force: true });
    const fd = openSync(partial, 'wx', 0o600);
    try {
      writeFileSync(fd, `${JSON.stringify(kept)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, path);
  } catch (error) {
    throw fromSystem(error, 'write', path);
  }
}

/** The job is over. @throws LifeboatError */
export function removeJobState(directory: string): void {
  const path = join(directory, FILE);
  try {
    rmSync(path, { force: true });
    rmSync(`${path}.partial`, { force: true });
  } catch (error) {
    throw fromSystem(error, 'remove', path);
  }
}

function empty(): JobState {
  return { archives: [], aborted: [] };
}

/** A file that a crash has cut tells nothing, and is replaced. */
function parse(text: string, { pid, startTicks }: JobIdentity): JobState {
  let read: (Partial<JobState> & { job?: Partial<JobIdentity> }) | null;
  try {
    read = JSON.parse(text);
  } catch {
    return empty();
  }
  if (read?.job?.pid !== pid || read.job.startTicks !== startTicks) return empty();
  return { archives: read.archives ?? [], aborted: read.aborted ?? [] };
}
