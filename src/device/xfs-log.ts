/**
 * Why XFS's allocation maps on the disk may be behind its log, in words; undefined if they are not.
 *
 * partclone does not look: on a file system that was not unmounted it gave half of the blocks in use, and the counters of
 * the superblock agreed with it, for they were behind too. Clean is a log that ends with an unmount. A frozen file system
 * has written back everything but the two copies of the superblock that cover its log, so these are no change.
 * @param text what `xfs_logprint -t` says
 */
export function xfsLogDoubt(text: string): string | undefined {
  const state = /^\s*log tail: \d+ head: \d+ state: <(CLEAN|DIRTY)>$/m.exec(text)?.[1];
  if (state === 'CLEAN') return undefined;
  if (state === undefined) return 'xfs_logprint does not say whether its log is clean';
  const items = text.split('\n').filter((line) => /^\t?[A-Z]+: /.test(line) && !line.startsWith('TRANS: '));
  const isHarmless = (line: string) => line.startsWith('BUF: ') || /^\tBUF: .* start blkno:0x0 /.test(line);
  return items.length > 0 && items.every(isHarmless) ? undefined : 'its log was not replayed';
}
