const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** For messages, where the exact figure matters beside the readable one: "64.0 MiB (67108864 bytes)". */
export function sizeInWords(bytes: number): string {
  let value = bytes;
  let unit = '';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return unit === '' ? `${bytes} bytes` : `${value.toFixed(1)} ${unit} (${bytes} bytes)`;
}
