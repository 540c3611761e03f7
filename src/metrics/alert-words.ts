import type { Alert } from './alert.js';

/** "slow: pve1 /dev/sda: 8.1 MB/s, less than 10 MB/s" */
export function alertHead({ kind, name, what }: Alert): string {
  return `${kind}: ${name}: ${what}`;
}

/** What was found, what it may mean and what to do, a line each. */
export function alertLines(alert: Alert): string[] {
  return [alertHead(alert), `  may mean: ${alert.means}`, `  to do: ${alert.todo}`];
}

/** A warning for those who are notified, all alerts in one. */
export function alertMessage(alerts: readonly Alert[], over: readonly string[]): { title: string; text: string } {
  const [first] = alerts;
  const title =
    alerts.length === 1 && first !== undefined ? `alert: ${first.name}: ${first.what}` : `${alerts.length} alerts`;
  const ended = over.length === 0 ? [] : ['', `over: ${over.join('; ')}`];
  return { title, text: [...alerts.flatMap(alertLines), ...ended].join('\n') };
}
