const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Rounded, to be read at a glance: "64.0 MiB". */
export function roundSize(bytes: number): string {
  let value = bytes;
  let unit = '';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return unit === '' ? `${bytes} bytes` : `${value.toFixed(1)} ${unit}`;
}

/** For messages, where the exact figure matters beside the readable one: "64.0 MiB (67108864 bytes)". */
export function sizeInWords(bytes: number): string {
  return bytes < 1024 ? roundSize(bytes) : `${roundSize(bytes)} (${bytes} bytes)`;
}
