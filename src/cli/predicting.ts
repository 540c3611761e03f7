import { messageOf } from '../error.js';
import type { Prediction } from '../metrics/recovery-time.js';
import type { RecoveryFacts } from '../sets/recovery-facts.js';

/** Tells how long a restore takes; undefined where it cannot: this host was not calibrated. */
export type Predictor = (facts: RecoveryFacts | undefined) => Prediction | undefined;

/** From this host's calibration and history. Only root can read them; for anybody else nothing is predicted. Never throws. */
export async function loadPredictor(detail: (text: string) => void): Promise<Predictor> {
  if (process.geteuid?.() !== 0) return () => undefined;
  try {
    const { readConfig } = await import('../config/read-config.js');
    const { directory } = readConfig().config.history;
    const { readCalibration } = await import('../metrics/calibration-file.js');
    const calibration = readCalibration(directory);
    if (calibration === undefined) return () => undefined;
    const { readHistory } = await import('../metrics/history.js');
    const { sortRuns } = await import('../metrics/runs.js');
    const { restored } = sortRuns((await readHistory(directory)).rows, Date.now());
    const { predictRestore } = await import('../metrics/recovery-time.js');
    return (facts) => (facts === undefined ? undefined : predictRestore(facts, calibration, restored));
  } catch (error) {
    detail(`no time of recovery is predicted: ${messageOf(error)}`);
    return () => undefined;
  }
}
