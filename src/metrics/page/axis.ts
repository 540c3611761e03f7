const LEAST_STEPS = 2;

/**
 * Even steps that people read with ease, three to six of them from 0 to the top: 1, 2 or 5 times a power of ten of a unit.
 * @param units the largest first: GiB and MiB, hours and minutes. The largest that the top has in it counts
 */
export function ticks(top: number, units: readonly number[] = [1]): number[] {
  if (!(top > 0) || !Number.isFinite(top)) return [0];
  const unit = units.find((one) => one <= top) ?? units.at(-1) ?? 1;
  const most = (top * 1.0001) / unit / LEAST_STEPS;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = unit * power * ([5, 2].find((factor) => factor * power <= most) ?? 1);
  // Below 1e-300 or so a step is 0.
  if (!(step > 0)) return [0];
  const list: number[] = [];
  // A little more than the top, for sums of fractions are not exact.
  for (let index = 0; index * step <= top * 1.0001; index++) list.push(index * step);
  return list;
}

export const SIZE_UNITS: readonly number[] = [4, 3, 2, 1, 0].map((power) => 1024 ** power);
export const SPEED_UNITS: readonly number[] = [1e6];
export const TIME_UNITS: readonly number[] = [86_400_000, 3_600_000, 60_000, 1000];
