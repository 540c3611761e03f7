/** The value in the middle, or the mean of the two that are. Undefined of nothing: what that means is the caller's to say. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1];
  if (middle === undefined || sorted.length % 2 === 1) return middle;
  // Halved before they are added: two huge ones would be infinite together.
  return (sorted[(sorted.length >> 1) - 1] ?? middle) / 2 + middle / 2;
}
