import { copyFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { type CancelPlan, callHook, type HookCallRecord } from './hook-call.js';

/**
 * What PVE::VZDump does to its hook, phase by phase (exec_backup and exec_backup_task; pve-manager 9): order, environment,
 * files, and what a failing hook does to guest and job. Backups are small files.
 */

export interface SimulatedGuest {
  vmid: number;
  type: 'qemu' | 'lxc';
  /** Stopped guests are backed up in stop mode. */
  isRunning?: boolean;
  hostname?: string;
  /** Why it cannot be archived. */
  fails?: string;
  /** No node knows it. */
  isMissing?: boolean;
  content?: Buffer;
  /** What happens to the archive behind vzdump's back, once it is finished. */
  afterwards?(archive: string): void;
}

export interface SimulatedJob {
  script: string;
  dumpDirectory: string;
  guests: SimulatedGuest[];
  mode?: 'snapshot' | 'suspend' | 'stop';
  to?: 'storage' | 'dumpdir' | 'backup-server' | 'stdout';
  compress?: 'zst' | 'gz' | 'lzo' | 'none';
  /** The log's directory goes away under it. */
  losesLogs?: boolean;
  cancel?: CancelPlan;
}

export interface JobResult {
  calls: HookCallRecord[];
  /** `died`: not even the job began. */
  outcome: 'ok' | 'job errors' | 'job failed' | 'died';
  /** What vzdump says of the whole. */
  error: string | undefined;
  /** Of each guest that was tried: ok, or why not. */
  guests: Map<number, string>;
  /** vzdump's own warnings. */
  warnings: string[];
}

const STORAGE = 'nas';
const CONTENT = Buffer.alloc(300_000, 'what a guest holds\n');
const INTERRUPTED = 'interrupted by signal';

interface Task {
  guest: SimulatedGuest;
  mode: string;
  vmtype?: string;
  hostname?: string;
  target?: string;
  logfile?: string;
  log: string[];
}

export async function runJob(job: SimulatedJob): Promise<JobResult> {
  const { script, to = 'storage', dumpDirectory } = job;
  const result: JobResult = { calls: [], outcome: 'ok', error: undefined, guests: new Map(), warnings: [] };

  async function hook(phase: string, task?: Task): Promise<void> {
    const call = task === undefined ? { phase } : { phase, mode: task.mode, vmid: task.guest.vmid };
    const isInit = phase === 'job-init';
    const variables = {
      STOREID: to === 'storage' || to === 'backup-server' ? STORAGE : undefined,
      // Of a storage, it is known once the storage is activated.
      DUMPDIR: to === 'backup-server' || (isInit && to === 'storage') ? undefined : dumpDirectory,
      VMTYPE: task?.vmtype,
      HOSTNAME: task?.hostname,
      TARGET: task?.target,
      LOGFILE: task?.logfile,
    };
    const record = await callHook(script, call, variables, job.cancel);
    result.calls.push(record);
    task?.log.push(...record.lines.map((line) => `INFO: ${line}`));
    if (record.cancelMs !== undefined) throw new Error(INTERRUPTED);
    const how = record.signal === undefined ? `exit code ${record.status}` : `got signal ${record.signal}`;
    if (record.status !== 0) throw new Error(`command '${[script, phase].join(' ')}' failed: ${how}`);
  }

  try {
    await hook('job-init');
  } catch (error) {
    return { ...result, outcome: 'died', error: wordsOf(error) };
  }
  let errors = 0;
  let failure: string | undefined;
  try {
    await hook('job-start');
    for (const guest of job.guests) {
      const outcome = await backUp(guest, job, hook, result);
      result.guests.set(guest.vmid, outcome);
      if (outcome !== 'ok') errors++;
      if (outcome === INTERRUPTED) throw new Error(INTERRUPTED);
    }
    await hook('job-end');
  } catch (error) {
    failure = wordsOf(error);
  }
  if (failure !== undefined) {
    try {
      await hook('job-abort');
    } catch (error) {
      failure = `${wordsOf(error)} (${failure})`;
    }
    return { ...result, outcome: 'job failed', error: failure };
  }
  return errors === 0 ? result : { ...result, outcome: 'job errors', error: 'job errors' };
}

/** exec_backup_task. @returns "ok", or why not */
async function backUp(
  guest: SimulatedGuest,
  job: SimulatedJob,
  hook: (phase: string, task?: Task) => Promise<void>,
  result: JobResult,
): Promise<string> {
  const { vmid, type, isRunning = true } = guest;
  const task: Task = { guest, mode: job.mode ?? 'snapshot', log: [] };
  const cleanup = { restart: false };
  let failure: string | undefined;
  try {
    if (guest.isMissing === true) throw new Error(`unable to find VM '${vmid}'`);
    nameFiles(task, job);
    say(task, `Starting Backup of VM ${vmid} (${type})`);
    say(task, `status = ${isRunning ? 'running' : 'stopped'}`);
    if (!isRunning) task.mode = 'stop';
    task.vmtype = type;
    task.hostname = guest.hostname ?? `guest${vmid}`;
    say(task, `backup mode: ${task.mode}`);
    await hook('backup-start', task);
    if (task.mode === 'stop') {
      if (isRunning) {
        await hook('pre-stop', task);
        cleanup.restart = true;
      }
    } else if (task.mode === 'suspend') {
      await hook('pre-stop', task);
      cleanup.restart = true;
      if (type === 'lxc') {
        cleanup.restart = false;
        await hook('pre-restart', task);
        await hook('post-restart', task);
      }
    } else for (const phase of ['pre-stop', 'pre-restart', 'post-restart']) await hook(phase, task);
    await archive(task, job);
    await hook('backup-end', task);
  } catch (error) {
    failure = wordsOf(error);
  }
  if (cleanup.restart) {
    try {
      await hook('pre-restart', task);
      await hook('post-restart', task);
    } catch (error) {
      result.warnings.push(wordsOf(error));
    }
  }
  if (failure === undefined) {
    say(task, `Finished Backup of VM ${vmid} (00:01:23)`);
  } else {
    task.log.push(`ERROR: Backup of VM ${vmid} failed - ${failure}`);
    await hook('backup-abort', task).catch((error) => result.warnings.push(wordsOf(error)));
  }
  if (task.logfile !== undefined && job.losesLogs !== true)
    writeFileSync(task.logfile, task.log.map((line) => `2026-11-20 01:00:02 ${line}\n`).join(''));
  await hook('log-end', task).catch((error) => result.warnings.push(wordsOf(error)));
  return failure ?? 'ok';
}

function nameFiles(task: Task, { dumpDirectory, to = 'storage', compress = 'zst' }: SimulatedJob): void {
  const { vmid, type } = task.guest;
  const base = join(dumpDirectory, `vzdump-${type}-${vmid}-2026_11_20-01_00_02`);
  if (to === 'backup-server') {
    task.target = `${type === 'qemu' ? 'vm' : 'ct'}/${vmid}/2026-11-20T00:00:02Z`;
    return;
  }
  task.logfile = `${base}.log`;
  const ending = type === 'qemu' ? 'vma' : 'tar';
  task.target = to === 'stdout' ? '-' : `${base}.${ending}${compress === 'none' ? '' : `.${compress}`}`;
  rmSync(task.logfile, { force: true });
}

async function archive(task: Task, { to = 'storage', compress = 'zst' }: SimulatedJob): Promise<void> {
  const { guest, target = '' } = task;
  const content = guest.content ?? CONTENT;
  if (guest.fails !== undefined) throw new Error(guest.fails);
  if (to === 'storage' || to === 'dumpdir') await writeArchive(target, content, compress);
  if (guest.type === 'qemu') {
    say(task, 'backup is sparse: 1.61 GiB (72%) total zero data');
    say(task, 'transferred 2.21 GiB in 23 seconds (98.4 MiB/s)');
  } else say(task, 'Total bytes written: 611809280 (584MiB, 27MiB/s)');
  if (to === 'storage' || to === 'dumpdir') say(task, `archive file size: ${statSync(target).size}B`);
  guest.afterwards?.(target);
}

async function writeArchive(target: string, content: Buffer, compress: string): Promise<void> {
  const partial = target.replace(/\.[^.]+$/, '.dat');
  switch (compress) {
    case 'zst':
      await execa('zstd', ['-q', '--rsyncable', '--threads=1', '-c'], { input: content, stdout: { file: partial } });
      break;
    case 'gz':
      writeFileSync(partial, gzipSync(content));
      break;
    default:
      // lzop is not on every machine; nobody looks into these.
      writeFileSync(partial, content);
  }
  copyFileSync(partial, target);
  rmSync(partial);
}

function say(task: Task, text: string): void {
  task.log.push(`INFO: ${text}`);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
