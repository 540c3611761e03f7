import { LifeboatError } from '../error.js';

/** What a bad frame or stream is reported as; the caller adds the place. `damaged('zstd', 'it ends early')` */
export function damaged(codec: string, reason: string): LifeboatError {
  return new LifeboatError('DAMAGE', `${codec} frame: ${reason}`);
}

export function endsEarly(codec: string): LifeboatError {
  return damaged(codec, 'it ends early');
}

export function trailingBytes(codec: string): LifeboatError {
  return damaged(codec, 'there are bytes behind its end');
}

export function holdsTooMuch(codec: string, outBytes: number): LifeboatError {
  return damaged(codec, `it holds more than ${outBytes} bytes`);
}

/** A lack of memory must never be taken for damage. */
export function outOfMemory(codec: string): LifeboatError {
  return new LifeboatError('FAILED', `${codec}: out of memory`, {
    hint: 'use fewer threads (-p) or a lower level (-l)',
  });
}

export function cannotEncode(codec: string, reason: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot compress with ${codec}: ${reason}`);
}
