import type { HostLoad } from './load.js';

/**
 * How many workers may be at work, so that guests get the processors that they need. Down at once, up by steps: a guest that
 * waits is worse than a run that takes longer.
 *
 * Others' demand shows only in part while we are in their way: two of ours and two of theirs on two processors leave them
 * one. So there are two signs: what others keep busy does not fit beside our workers, or somebody waits although no
 * processor is idle. The second takes one step at a time.
 */

/** Below one worker: that share of a processor. Ten percent of two processors at least, so that a snapshot does not overflow. */
const PARTS: readonly number[] = [0.3, 0.6];
/** From so many threads on one worker is a small enough part of the host. */
const MANY_THREADS = 8;
/** Our workers may be over what is free by so much of a processor before they go, under it by the other before they come. */
const OVER = 0.5;
const UNDER = 0.25;
const HIGH_WAIT = 0.5;
/** Of guests alone; those that are kept down by a limit of their own wait a little all the time. */
const HIGH_GUEST_WAIT = 0.15;
const LOW_GUEST_WAIT = 0.05;
const HIGH_STEAL = 0.15;
const NO_IDLE_SHARE = 0.06;
const FEW_OTHERS = 0.25;
const QUIET_OBSERVATIONS = 2;

export interface YieldState {
  workers: number;
  quiet: number;
}

/** From the fewest to all, ascending. */
export function workerSteps(threads: number): number[] {
  const whole = Array.from({ length: threads }, (_, below) => below + 1);
  return threads >= MANY_THREADS ? whole : [...PARTS, ...whole];
}

/** @returns what holds from now on, and why it changed, if it did */
export function yieldTo(
  load: HostLoad,
  state: YieldState,
  steps: readonly number[],
): YieldState & { why: string | undefined } {
  const { workers } = state;
  const free = load.cores - load.othersBusy;
  const least = steps[0] ?? 1;
  const fitting = (room: number) => steps.filter((step) => step <= room).at(-1) ?? least;
  const figures = inWords(load);
  if (workers > free + OVER && workers > least)
    return { workers: Math.min(fitting(free + UNDER), below(steps, workers)), quiet: 0, why: figures };
  if (isInTheWay(load) && workers > least) return { workers: below(steps, workers), quiet: 0, why: figures };
  const above = steps.find((step) => step > workers);
  const mayRise = above !== undefined && above <= free + UNDER && !guestsWait(load);
  if (!mayRise) return { workers, quiet: 0, why: undefined };
  if (state.quiet + 1 < QUIET_OBSERVATIONS) return { workers, quiet: state.quiet + 1, why: undefined };
  // From half of what may be: demand that was hidden shows before all of it is taken.
  const target = fitting(Math.max(above, workers + (free + UNDER - workers) / 2));
  return { workers: target, quiet: 0, why: figures };
}

function below(steps: readonly number[], workers: number): number {
  return steps.filter((step) => step < workers).at(-1) ?? workers;
}

function isInTheWay(load: HostLoad): boolean {
  if (load.stolenShare > HIGH_STEAL) return true;
  const isFull = load.idle < NO_IDLE_SHARE * load.cores;
  if (!isFull || load.othersBusy < FEW_OTHERS) return false;
  // Pressure of the whole host counts our own waiting too; without any sign a full host is taken as one that somebody waits on.
  return load.guestWaitShare !== undefined ? load.guestWaitShare > HIGH_GUEST_WAIT : (load.waitShare ?? 1) > HIGH_WAIT;
}

function guestsWait(load: HostLoad): boolean {
  return load.guestWaitShare !== undefined && load.guestWaitShare > LOW_GUEST_WAIT && load.idle < 1;
}

function inWords({ cores, othersBusy, idle, stolenShare, waitShare, guestWaitShare }: HostLoad): string {
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const parts = [`others use ${othersBusy.toFixed(1)} of ${cores} processors, ${idle.toFixed(1)} idle`];
  if (guestWaitShare !== undefined) parts.push(`guests waited ${percent(guestWaitShare)} of the time`);
  else if (waitShare !== undefined) parts.push(`tasks waited ${percent(waitShare)} of the time`);
  if (stolenShare > 0.01) parts.push(`${percent(stolenShare)} stolen`);
  return parts.join(', ');
}
