import type { Source } from '../device/source.js';
import type { Manifest } from '../format/manifest.js';
import type { Choice } from '../policy/choose.js';
import type { Saved, SavePilot, SaveProgress } from '../stream/save.js';
import { createDecisionLog, decisionInWords } from './decision-log.js';
import type { DecidedOptions } from './image-options.js';
import { createPilot } from './pilot.js';
import { dataBytesOf, NO_WISHES, type RunPlan } from './plan-run.js';
import type { RunReport } from './report.js';

/** What a run does to suit its host, and what it tells of that. */
export interface RunPolicy {
  /** Undefined where nothing is to change. */
  pilot: SavePilot | undefined;
  niceness: number | undefined;
  /** For the log, once the run is over. */
  lines(): string[];
  inManifest(): Pick<Manifest, 'policy'>;
}

export interface RunPolicyOptions {
  plan: RunPlan;
  options: DecidedOptions;
  source: Source | undefined;
  progress: SaveProgress;
  /** Whether the processors have nothing to compress now. */
  isIdle: () => boolean;
}

/** As the unit of systemd has it: beside a guest's thread one of ours gets a tenth of a processor. */
const YIELDING_NICENESS = 10;

/** The run begins now. */
export function createRunPolicy(
  { plan, options, source, progress, isIdle }: RunPolicyOptions,
  report: RunReport,
): RunPolicy {
  const { wishes = NO_WISHES, yields = false, bwlimitKiBps, known } = options;
  const { choice } = plan;
  const startMs = performance.now();
  const toRead = dataBytesOf(source, known);
  const decisions = createDecisionLog(startMs, (entry) => report.detail(decisionInWords(entry)));
  if (choice !== undefined) {
    decisions.add({ atMs: startMs, what: inWords(choice), why: choice.reasons.join('; ') });
  }
  const pilotOptions = {
    plan,
    wishes,
    yields,
    bwlimitKiBps,
    isIdle,
    remainingBytes: () =>
      toRead === undefined ? undefined : Math.max(0, toRead - (progress.plainBytes - progress.skippedBytes)),
    onDecision: decisions.add,
  };
  return {
    pilot: choice === undefined && !yields ? undefined : createPilot(pilotOptions),
    niceness: yields ? YIELDING_NICENESS : undefined,
    lines: decisions.lines,
    inManifest() {
      const entries = decisions.entries();
      return entries.length === 0
        ? {}
        : { policy: { priority: wishes.priority, kind: wishes.kind, decisions: [...entries] } };
    },
  };
}

function inWords({ codec, level, threads, gpu }: Choice): string {
  const what = `${codec} level ${level}`;
  if (gpu === undefined) return `${what}, ${threads} threads`;
  return gpu.isHybrid ? `${what}, ${threads} threads beside ${gpu.name}` : `${what} on ${gpu.name} alone`;
}

/** At which most of the plaintext was compressed; undefined where nothing was. */
export function mostUsedLevel({ bytesAtLevel }: Pick<Saved, 'bytesAtLevel'>): number | undefined {
  return [...bytesAtLevel].sort(([, bytes], [, others]) => others - bytes)[0]?.[0];
}
