/**
 * The ranges that could not be read, as a mapfile of GNU ddrescue (its manual, "Mapfile structure"), so that ddrescue can
 * go on where we stopped. Offsets and lengths in bytes.
 * @param bad in order, without overlaps
 */
export function encodeRescueMap(sizeBytes: number, bad: readonly { offset: number; length: number }[]): string {
  const lines = [
    '# Mapfile. Created by lifeboat',
    '# current_pos  current_status  current_pass',
    row(0, undefined, '+', '1'),
  ];
  lines.push('#      pos        size  status');
  let done = 0;
  for (const { offset, length } of bad) {
    if (offset > done) lines.push(row(done, offset - done, '+'));
    lines.push(row(offset, length, '-'));
    done = offset + length;
  }
  if (done < sizeBytes) lines.push(row(done, sizeBytes - done, '+'));
  return `${lines.join('\n')}\n`;
}

function row(position: number, size: number | undefined, ...rest: string[]): string {
  const hex = (value: number) => `0x${value.toString(16).toUpperCase().padStart(8, '0')}`;
  return [hex(position), ...(size === undefined ? [] : [hex(size)]), ...rest].join('  ');
}
