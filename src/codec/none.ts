import { cannotEncode, holdsTooMuch } from '../native/frame-error.js';
import type { Codec } from './codec.js';
import { requireEncoder } from './engine.js';

/** No compression: a frame is the plaintext. Nothing in here finds damage. */
export const none: Codec = {
  name: 'none',
  defaultLevel: 0,
  defaultChunkBytes: 4 * 1024 * 1024,
  levels: () => ({ min: 0, max: 0 }),
  frameBound: (plainBytes) => plainBytes,
  missing: () => undefined,
  createEncoder(engine, { level }) {
    requireEncoder(none, engine, level);
    return {
      encode(plain, out) {
        if (plain.length > out.length) throw cannotEncode('none', `${out.length} bytes are too few for the frame`);
        return plain.copy(out);
      },
      close() {},
    };
  },
  createDecoder: () => ({
    decode(frame, out) {
      if (frame.length > out.length) throw holdsTooMuch('none', out.length);
      return frame.copy(out);
    },
    close() {},
  }),
  createStreamDecoder: () => ({
    step(input, output) {
      const bytes = input.copy(output);
      return { consumedBytes: bytes, producedBytes: bytes, atEnd: true };
    },
    close() {},
  }),
};
