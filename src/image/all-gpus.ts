import { type GpuSurvey, surveyGpus } from '../gpu/survey.js';

/**
 * Puts every hardware card in the place of `all`. Only where that was said a driver is started to ask, 0.3 s.
 * @param wanted each `auto`, `all`, an index, or a part of a name
 * @param warn told of cards that share no work, because nothing but their name tells them apart
 * @returns one device at least; `auto` where there is no card, whose opening tells why
 */
export async function withAllGpus(
  wanted: readonly string[],
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (!wanted.includes('all')) return wanted;
  const { indexes, unreachable } = hardwareIn(await surveyGpus({ measure: false, signal }));
  for (const text of unreachable) warn(text);
  const all = indexes.length === 0 ? ['auto'] : indexes;
  return wanted.flatMap((each) => (each === 'all' ? all : [each]));
}

/** Pure. */
export function hardwareIn({ gpus }: Pick<GpuSurvey, 'gpus'>): { indexes: string[]; unreachable: string[] } {
  const hardware = gpus.filter(({ isSoftware }) => !isSoftware);
  return {
    indexes: hardware.flatMap(({ index, isReachable }) => (isReachable ? [String(index)] : [])),
    unreachable: hardware.flatMap(({ index, name, isReachable }) =>
      isReachable ? [] : [`graphics card ${index}, "${name}", is left out: Dawn cannot tell it from one before it`],
    ),
  };
}
