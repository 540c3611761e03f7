/** What a graphics card does with LZ4 on this host, as `lifeboat bench --save` measured it. Bytes of plaintext a second. */
export interface CardSpeed {
  /** Its place in the driver's list, then. */
  index: number;
  name: string;
  /** It plays a card on the host's processors. None is saved, and none is taken unless it is named. */
  isSoftware?: boolean;
  /** How many threads hand it chunks: each is busy all the time, and a quick card has work for two. */
  feeders: number;
  ratio: number;
  compressBytesPerSecond: number;
  decompressBytesPerSecond: number;
}

/** Cards that a run may take, as if they were one. */
export interface Gpu {
  name: string;
  /** A thread for each, with that device: a card that two threads feed is in it twice. */
  devices: readonly string[];
  compressBytesPerSecond: number;
  ratio: number;
}

/**
 * Which of the cards that were measured a run may take.
 * @param wanted as `--gpu` says: `auto` is the quickest, `all` every one, else indexes and parts of names
 * @returns undefined where none of them was measured
 */
export function cardsFor(wanted: readonly string[], measured: readonly CardSpeed[]): Gpu | undefined {
  const usable = measured.filter(isUsable);
  const cards = [...new Set(wanted.flatMap((each) => matching(each, usable)))];
  const [first] = cards;
  if (first === undefined) return undefined;
  return {
    name: cards.map(({ name }) => name).join(' and '),
    devices: cards.flatMap(fed),
    compressBytesPerSecond: cards.reduce((sum, card) => sum + card.compressBytesPerSecond, 0),
    // The same blocks come from every card: cards that were measured together have one ratio.
    ratio: first.ratio,
  };
}

/**
 * The devices for a run that was told to take cards, with as many threads for each as did best. One that was named twice, or that was
 * never measured, stays as it is.
 */
export function devicesFor(wanted: readonly string[], measured: readonly CardSpeed[]): readonly string[] {
  const usable = measured.filter(isUsable);
  const [first] = matching('all', usable);
  return wanted.flatMap((each) => {
    const cards = matching(each, usable);
    const isRepeated = wanted.filter((other) => other === each).length > 1;
    if (cards.length === 0 || isRepeated) return [each];
    // Without its name another card will do that has come in its place.
    if (each === 'auto' && cards[0] === first) return Array.from({ length: first?.feeders ?? 1 }, () => each);
    return cards.flatMap(fed);
  });
}

function fed({ name, feeders }: CardSpeed): string[] {
  return Array.from({ length: feeders }, () => name);
}

function matching(wanted: string, cards: readonly CardSpeed[]): CardSpeed[] {
  const hardware = cards.filter(({ isSoftware }) => isSoftware !== true);
  if (wanted === 'all') return hardware;
  if (wanted === 'auto') return hardware.sort(bySpeed).slice(0, 1);
  const found =
    cards.find(({ index }) => String(index) === wanted) ??
    cards.find(({ name }) => name === wanted) ??
    cards.find(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  return found === undefined ? [] : [found];
}

function bySpeed(a: CardSpeed, b: CardSpeed): number {
  return b.compressBytesPerSecond - a.compressBytesPerSecond;
}

function isUsable({ compressBytesPerSecond, ratio, feeders }: CardSpeed): boolean {
  const isPositive = (value: number) => Number.isFinite(value) && value > 0;
  return isPositive(compressBytesPerSecond) && isPositive(ratio) && Number.isInteger(feeders) && feeders >= 1;
}
