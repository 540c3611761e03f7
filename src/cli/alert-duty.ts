import { hostname } from 'node:os';
import { durationMs } from '../config/duration.js';
import type { Config } from '../config/schema.js';
import { withHint } from '../error.js';
import type { Alert, AlertFacts } from '../metrics/alert.js';
import { alertMessage } from '../metrics/alert-words.js';
import { findAlerts } from '../metrics/alerts.js';
import { readHistory } from '../metrics/history.js';
import { sortRuns } from '../metrics/runs.js';
import { newsOf, readTold, writeTold } from '../metrics/told-alerts.js';
import { notify } from '../notify/index.js';

export interface AlertDutyOptions {
  timeoutMs: number;
  /** Gets a sentence for each target that could not be told. */
  warn(text: string): void;
}

export function alertFactsOf({ boot, hook, alerts }: Config, now: Date): AlertFacts {
  const optional = (text: string | undefined) => (text === undefined ? undefined : durationMs(text));
  return {
    nowMs: now.getTime(),
    expectsBoot: boot.to !== undefined,
    verifiesGuests: hook['verify-guests'],
    windowMs: optional(alerts.window),
    maxAgeMs: optional(alerts['max-age']),
    verifyEveryMs: durationMs(alerts['verify-every']),
    rehearseEveryMs: durationMs(alerts['rehearse-every']),
    leastDaysLeft: alerts['days-left'],
  };
}

/**
 * Tells those who want warnings what is new among the alerts, once. What could not be told to anybody is told the next time.
 * @returns what was told
 * @throws LifeboatError where the history cannot be read or what was told cannot be kept
 */
export async function tellAlerts(config: Config, { timeoutMs, warn }: AlertDutyOptions): Promise<Alert[]> {
  const { directory } = config.history;
  // Healthchecks has a state, up or down, that is of the run.
  const targets = config.notify.filter(({ type }) => type !== 'healthchecks');
  if (!config.alerts.tell || targets.length === 0) return [];
  const now = new Date();
  const { rows } = await readHistory(directory);
  const news = newsOf(findAlerts(sortRuns(rows, now.getTime()), alertFactsOf(config, now)), readTold(directory), now);
  if (news.tell.length === 0) {
    if (news.over.length > 0) writeTold(directory, news.told);
    return [];
  }
  const { title, text } = alertMessage(news.tell, news.over);
  const failures = await notify(targets, { event: 'warning', host: hostname(), title, text }, { timeoutMs });
  for (const failure of failures) warn(withHint(failure));
  const wanting = targets.filter((target) => 'on' in target && target.on.includes('warning')).length;
  if (failures.length < wanting) writeTold(directory, news.told);
  return news.tell;
}
