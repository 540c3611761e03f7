import { createController, type Decision, PERIOD_MS } from '../policy/controller.js';
import { type HostLoad, type LoadCounts, loadBetween } from '../policy/load.js';
import type { SavePilot } from '../stream/save.js';
import type { StageCounts } from '../stream/stages.js';
import { countLoad } from './host-counts.js';
import type { RunPlan, Wishes } from './plan-run.js';

export interface PilotOptions {
  plan: RunPlan;
  wishes: Wishes;
  yields: boolean;
  bwlimitKiBps: number;
  /** Whether there is nothing to change now, because the processors compress nothing. */
  isIdle: () => boolean;
  /** Plaintext still to do; undefined where only the end will tell. */
  remainingBytes(): number | undefined;
  /** Told of each decision when it is made. */
  onDecision(decision: Decision): void;
  /** The host's counts; undefined where it tells none. */
  count?: () => LoadCounts | undefined;
}

/** Brings a run's stages and the host's load together for the controller. */
export function createPilot({ plan, wishes, yields, bwlimitKiBps, ...rest }: PilotOptions): SavePilot {
  const { isIdle, remainingBytes, onDecision, count = countLoad } = rest;
  const { codec, level, threads, choice, calibration } = plan;
  const controller = createController({
    choice: { codec: codec.name, level, threads, levels: choice?.levels },
    priority: wishes.priority,
    yields,
    calibration,
    bwlimitBytesPerSecond: bwlimitKiBps === 0 ? undefined : bwlimitKiBps * 1024,
    endAtMs: wishes.endAtMs,
  });
  let before: StageCounts | undefined;
  let hostBefore: LoadCounts | undefined;

  /** Since the time before. */
  function hostLoad(): HostLoad | undefined {
    const now = yields ? count() : undefined;
    const load = now === undefined || hostBefore === undefined ? undefined : loadBetween(hostBefore, now);
    hostBefore = now;
    return load;
  }

  return {
    periodMs: PERIOD_MS,
    steer(counts) {
      const load = hostLoad();
      const last = before;
      before = counts;
      if (last === undefined || isIdle()) return undefined;
      const decisions = controller.observe({
        atMs: performance.now(),
        tookMs: counts.wallMs - last.wallMs,
        encodedBytes: counts.encodedBytes - last.encodedBytes,
        frameBytes: counts.frameBytes - last.frameBytes,
        codecMs: counts.encodeMs - last.encodeMs,
        readBytes: counts.readBytes - last.readBytes,
        readMs: counts.readMs - last.readMs,
        writtenBytes: counts.writtenBytes - last.writtenBytes,
        writeMs: counts.writeMs - last.writeMs,
        load,
        remainingBytes: remainingBytes(),
      });
      for (const decision of decisions) onDecision(decision);
      return decisions.length === 0 ? undefined : { level: controller.level, workers: controller.workers };
    },
  };
}
