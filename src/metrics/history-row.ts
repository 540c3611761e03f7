export type HistoryKind = 'boot' | 'image' | 'restore' | 'verify' | 'guest' | 'verify-guest';

const KINDS: readonly string[] = [
  'boot',
  'image',
  'restore',
  'verify',
  'guest',
  'verify-guest',
] satisfies HistoryKind[];

/** What every row has; the rest is its kind's own. */
export interface HistoryRow {
  kind: HistoryKind;
  /** ISO 8601, as Date.toISOString writes it. */
  time: string;
}

/** A row as it was read: a kind's own fields may be missing, or be from a later version. */
export type ReadRow = HistoryRow & Readonly<Record<string, unknown>>;

/** A newline would end the row: JSON has none but between its parts, and stringify puts none there. */
export function encodeRow(row: HistoryRow): string {
  return `${JSON.stringify(row)}\n`;
}

/** @returns undefined for a line that no run wrote in full; 'unknown' for a kind that a later version has */
export function parseRow(line: string): ReadRow | 'unknown' | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { kind, time } = parsed as Partial<Record<string, unknown>>;
  if (typeof kind !== 'string' || typeof time !== 'string' || Number.isNaN(Date.parse(time))) return undefined;
  return KINDS.includes(kind) ? (parsed as ReadRow) : 'unknown';
}
