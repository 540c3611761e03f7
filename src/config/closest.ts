/** A slip of the finger is one or two of these; more would be a guess. */
const MOST_EDITS = 2;

/** The word that was most likely meant, if one is near enough. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const most = Math.min(MOST_EDITS, Math.floor(word.length / 2));
  const [best] = known
    .map((candidate) => ({ candidate, edits: editDistance(plain(word), plain(candidate)) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits);
  return best?.candidate;
}

/** "keepDaily", "keep_daily" and "keep-daily" are the same word to whoever writes them. */
function plain(word: string): string {
  return word.replace(/[-_]/g, '').toLowerCase();
}

/** Letters to be put in, taken out or replaced (Levenshtein 1966), a row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (let at = 0; at < b.length; at++) {
      const replaced = (row[at] ?? 0) + (letter === b[at] ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
