const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** "90m", "20h", "7d", "2w"; the digits are bounded so that every one of them is an exact number of milliseconds. */
export const DURATION = /^(\d{1,6})([mhdw])$/;

/** @param text as `DURATION` has it, which the schema has seen to. @throws Error where it has not */
export function durationMs(text: string): number {
  const [, digits, unit] = DURATION.exec(text) ?? [];
  if (unit === undefined) throw new Error(`"${text}" is no duration`);
  return Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS];
}
