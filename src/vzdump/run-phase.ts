import { hooksDirectory } from '../config/config-path.js';
import type { ReadConfig } from '../config/read-config.js';
import { LifeboatError } from '../error.js';
import { appendHistory } from '../metrics/history.js';
import { endsAtFirstFailure, type PhaseCall } from './call.js';
import { findChainedHooks, runChainedHooks } from './chained-hooks.js';
import { environmentForHooks, readVzdumpEnvironment } from './environment.js';
import { collectGuestRow } from './guest-row.js';
import { type ImageHostOptions, imageHost } from './image-host.js';
import { callingJob, changeJobState, readJobState, removeJobState } from './job-state.js';
import { readyTarget } from './ready-target.js';
import type { HookReport, OnFailure } from './report.js';
import { verifyGuests } from './verify-guests.js';

export interface PhaseWorld {
  env: NodeJS.ProcessEnv;
  /** Undefined: it is wrong, which `configError` tells. */
  read: ReadConfig | undefined;
  configError: unknown;
  configPath: string;
  onFailure: OnFailure;
  report: HookReport;
  signal: AbortSignal;
  /** Saves the boot disk; gives the exit status. */
  runDuty: ImageHostOptions['runDuty'];
}

/**
 * Does what is to be done in a phase, and runs the chained hooks: before our own work where something begins, after it where
 * something ends, so that a hook that mounts the target at job-start and unmounts it at job-end stands around ours.
 * @returns the exit status of the hook
 * @throws the signal's reason when it is stopped
 */
export async function runPhase(call: PhaseCall, world: PhaseWorld): Promise<number> {
  const { phase, args } = call;
  const { env, configPath, onFailure, report, signal } = world;
  const { hooks, refused } = findChainedHooks(hooksDirectory(configPath));
  const runChained = () => runChainedHooks(hooks, { phase, args, env: environmentForHooks(env), signal }, report);
  tellStanding(phase, refused, world);
  if (world.read === undefined) tellStanding(phase, [world.configError], world);

  const beginsSomething = endsAtFirstFailure(phase);
  let status = beginsSomething ? await runChained() : 0;
  if (status !== 0) return status;
  await guarded(() => ownWork(call, world), world);
  if (!beginsSomething) status = await runChained();
  if (status !== 0) return status;
  return report.hasFailed && onFailure === 'fail' ? 1 : 0;
}

/** What is wrong in every phase is told before and after all guests only, unless it is what fails the phase. */
function tellStanding(phase: string, errors: readonly unknown[], { onFailure, report }: PhaseWorld): void {
  if (onFailure === 'fail' || phase === 'job-init' || phase === 'job-end')
    for (const error of errors) report.fail(error);
}

/** A failure of ours is told, and keeps no chained hook from running. */
async function guarded(work: () => Promise<void>, { report, signal }: PhaseWorld): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    report.fail(error);
  }
}

async function ownWork(call: PhaseCall, world: PhaseWorld): Promise<void> {
  const { phase, vmid } = call;
  if (world.read === undefined) return;
  switch (phase) {
    // The storages of the job are activated after it, so that the target may not be there yet.
    case 'job-init':
      return;
    case 'job-start':
      return readyTarget(world.read, world.signal);
    case 'job-end':
      return endJob(world.read, world);
    case 'job-abort':
      return removeJobState(world.read.config.history.directory);
    case 'backup-end':
    case 'backup-abort':
    case 'log-end':
      if (vmid !== undefined) return guestPhase({ ...call, vmid }, world.read, world);
      throw new LifeboatError('USAGE', `Cannot tell which guest ${phase} is for: there is no VMID`, {
        hint: `vzdump calls its hook so: vzdump-hook ${phase} MODE VMID`,
      });
  }
}

async function guestPhase(
  call: PhaseCall & { vmid: string },
  { config }: ReadConfig,
  { env }: PhaseWorld,
): Promise<void> {
  const { directory } = config.history;
  const { vmid, phase } = call;
  const environment = readVzdumpEnvironment(env);
  const { target, type } = environment;
  const job = callingJob();
  switch (phase) {
    case 'backup-end':
      if (config.hook['verify-guests'] && target !== undefined)
        changeJobState(directory, job, ({ archives }) => void archives.push({ vmid, type, target }));
      return;
    case 'backup-abort':
      return changeJobState(directory, job, ({ aborted }) => void aborted.push(vmid));
    case 'log-end': {
      const wasAborted = readJobState(directory, job).aborted.includes(vmid);
      await appendHistory(directory, collectGuestRow(call, environment, wasAborted));
      // The same guest may come again in the same job.
      if (wasAborted)
        changeJobState(directory, job, (state) => {
          state.aborted = state.aborted.filter((other) => other !== vmid);
        });
    }
  }
}

/** The host first: its set is what this is for, and decoding all guests may take hours. */
async function endJob(read: ReadConfig, world: PhaseWorld): Promise<void> {
  const { config } = read;
  const { directory } = config.history;
  const { report, signal, runDuty } = world;
  await guarded(() => imageHost(read, { report, signal, runDuty }), world);
  await guarded(async () => {
    if (!config.hook['verify-guests']) return;
    const { archives } = readJobState(directory, callingJob());
    const { threads, ionice } = config.boot;
    const record = (row: Parameters<typeof appendHistory>[1]) => appendHistory(directory, row);
    await verifyGuests({ archives, threads, ionice, signal, record }, report);
  }, world);
  removeJobState(directory);
}
