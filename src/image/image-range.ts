import type { ReadRange } from '../device/partition-table.js';
import { LifeboatError } from '../error.js';
import type { LoadProgress } from '../stream/load.js';
import type { PlainSink } from '../stream/plain-sink.js';
import { decodeImage } from './decode.js';
import type { OpenImage } from './open-image.js';

/** Decoded in pieces of this size, which are kept for a while: tables and directories are read in bits. */
const BLOCK_BYTES = 1024 * 1024;
const KEPT_BLOCKS = 16;

/**
 * Reads parts of what an image holds, as if it were the disk.
 * @returns a function of an offset and a length in bytes, which gives exactly that many bytes
 * @throws LifeboatError, when called: DAMAGE where the image is damaged, FAILED where it does not reach so far
 */
export function imageRange(image: OpenImage, signal: AbortSignal): ReadRange {
  const kept = new Map<number, Buffer>();

  async function block(index: number): Promise<Buffer> {
    const bytes = kept.get(index) ?? (await decodeRange(image, index * BLOCK_BYTES, BLOCK_BYTES, signal));
    // Put behind all others: the first of the map is the one that was used longest ago.
    kept.delete(index);
    kept.set(index, bytes);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_BLOCKS && oldest !== undefined) kept.delete(oldest);
    return bytes;
  }

  return async (offset, length) => {
    if (image.plainBytes !== undefined && offset + length > image.plainBytes)
      throw new LifeboatError(
        'FAILED',
        `Cannot read ${length} bytes at offset ${offset} of what "${image.path}" holds: it has ${image.plainBytes} bytes`,
        { offset },
      );
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const from = (await block(Math.floor(at / BLOCK_BYTES))).subarray(at % BLOCK_BYTES);
      done += from.copy(bytes, done);
      if (from.length === 0) throw new LifeboatError('DAMAGE', `"${image.path}" ends at offset ${at}`, { offset: at });
    }
    return bytes;
  };
}

async function decodeRange(image: OpenImage, offset: number, length: number, signal: AbortSignal): Promise<Buffer> {
  const end = Math.min(offset + length, image.plainBytes ?? Number.POSITIVE_INFINITY);
  const bytes = Buffer.alloc(end - offset);
  const sink: PlainSink = {
    ordered: false,
    zerosForLost: false,
    put({ plain, plainOffset }) {
      const from = Math.max(offset - plainOffset, 0);
      const to = Math.min(end - plainOffset, plain.length);
      if (from < to) plain.copy(bytes, plainOffset + from - offset, from, to);
      return Promise.resolve();
    },
  };
  const progress: LoadProgress = { storedBytes: 0, plainBytes: 0, zeroBytes: 0 };
  await decodeImage({
    image,
    threads: 1,
    openSink: () => sink,
    range: { start: offset, end },
    onDamage: 'stop',
    progress,
    signal,
  });
  return bytes;
}
