import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sample } from '../codec/samples.js';

export { sample };

/** Files that every machine with the tests has: a program, and text. */
export function realFile(kind: 'program' | 'text', bytes: number): Buffer {
  const text = join(dirname(fileURLToPath(import.meta.url)), '../../../docs/lifeboat.8');
  const content = readFileSync(kind === 'program' ? process.execPath : text);
  const start = Math.max(0, Math.floor((content.length - bytes) / 2));
  return content.subarray(start, start + bytes);
}

/** Nothing but repetitions of a few bytes. */
export function periodic(period: number, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, at) => (at % period) * 37 + period));
}
