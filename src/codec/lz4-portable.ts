import { createRequire } from 'node:module';
import type { XXHashAPI } from 'xxhash-wasm';
import { messageOf } from '../error.js';
import { cannotEncode, damaged, endsEarly, holdsTooMuch, trailingBytes } from '../native/frame-error.js';
import type { Decoder, Encoder, StreamDecoder } from './codec.js';
import { LZ4_HEADER_BYTES, LZ4_MAGIC, LZ4_STORED, lz4HeaderRest, parseLz4Header, writeLz4Header } from './lz4-frame.js';
import { createPullStream, type PullProgram, skip } from './pull-stream.js';
import { loadXxhash } from './xxhash.js';

/** Raw blocks behind their plaintext's length in 4 bytes. */
interface Lz4Package {
  compressSync(plain: Buffer): Buffer;
  /** The length may be more than what comes out. */
  uncompressSync(block: Buffer, dictionary?: Buffer): Buffer;
}

export const LZ4_PACKAGE = 'lz4-napi';
const LENGTH_BYTES = 4;
const END_MARK_AND_CHECKSUM_BYTES = 8;

export function loadLz4Package(): Lz4Package {
  return createRequire(import.meta.url)(LZ4_PACKAGE);
}

export async function createPortableEncoder(): Promise<Encoder> {
  const xxhash = await loadXxhash();
  const { compressSync } = loadLz4Package();
  return {
    encode(plain, out) {
      const blockBytes = writeLz4Header(out, plain.length, xxhash.h32Raw);
      let end = LZ4_HEADER_BYTES;
      for (let at = 0; at < plain.length; at += blockBytes) {
        end = writeBlock(plain.subarray(at, at + blockBytes), out, end, compressSync);
      }
      if (end + END_MARK_AND_CHECKSUM_BYTES > out.length) throw tooSmall(out);
      out.writeUInt32LE(0, end);
      out.writeUInt32LE(xxhash.h32Raw(plain) >>> 0, end + 4);
      return end + END_MARK_AND_CHECKSUM_BYTES;
    },
    close() {},
  };
}

/** @returns where the block ends */
function writeBlock(plain: Buffer, out: Buffer, at: number, compress: Lz4Package['compressSync']): number {
  const compressed = compress(plain).subarray(LENGTH_BYTES);
  const stored = compressed.length >= plain.length;
  const block = stored ? plain : compressed;
  const end = at + LENGTH_BYTES + block.length;
  if (end > out.length) throw tooSmall(out);
  out.writeUInt32LE(stored ? (block.length | LZ4_STORED) >>> 0 : block.length, at);
  block.copy(out, at + LENGTH_BYTES);
  return end;
}

function tooSmall(out: Buffer) {
  return cannotEncode('lz4', `${out.length} bytes are too few for the frame`);
}

export async function createPortableDecoder(): Promise<Decoder> {
  const xxhash = await loadXxhash();
  return {
    async decode(frame, out) {
      const stream = createPullStream(decodeFrame(xxhash));
      try {
        const { consumedBytes, producedBytes, atEnd } = await stream.step(frame, out);
        if (atEnd && consumedBytes === frame.length) return producedBytes;
        if (atEnd) throw trailingBytes('lz4');
        throw consumedBytes < frame.length ? holdsTooMuch('lz4', out.length) : endsEarly('lz4');
      } finally {
        stream.close();
      }
    },
    close() {},
  };
}

const FIRST_SKIPPABLE_MAGIC = 0x184d_2a50;

/** Block by block, so that a frame may be as long as it likes. */
export async function createPortableStream(): Promise<StreamDecoder> {
  return createPullStream(decodeFrames(await loadXxhash()));
}

async function* decodeFrames(xxhash: XXHashAPI): PullProgram {
  for (let frames = 0; ; frames++) {
    const magic = yield { take: 4, fileMayEnd: frames > 0 };
    if ((magic.readUInt32LE() & 0xffff_fff0) >>> 0 === FIRST_SKIPPABLE_MAGIC) {
      yield* skip((yield { take: 4 }).readUInt32LE());
      continue;
    }
    yield { giveBack: magic };
    yield* decodeFrame(xxhash);
  }
}

/** How far back a block may refer, into the blocks before it unless they are independent. */
const WINDOW_BYTES = 64 * 1024;

async function* decodeFrame(xxhash: XXHashAPI): PullProgram {
  if ((yield { take: 4 }).readUInt32LE() !== LZ4_MAGIC) throw damaged('lz4', 'no lz4 frame begins here');
  const start = yield { take: 2 };
  const rest = yield { take: lz4HeaderRest(start.readUInt8()) };
  const header = parseLz4Header(Buffer.concat([start, rest]), xxhash.h32Raw);
  const { uncompressSync } = loadLz4Package();
  const contentHash = xxhash.create32();
  let contentBytes = 0;
  let window = Buffer.alloc(0);

  for (;;) {
    const length = yield { take: 4 };
    const blockBytes = (length.readUInt32LE() & ~LZ4_STORED) >>> 0;
    if (length.readUInt32LE() === 0) break;
    if (blockBytes > header.maxBlockBytes) throw damaged('lz4', 'a block is longer than the header allows');
    const block = yield { take: blockBytes };
    if (header.hasBlockChecksums && (yield { take: 4 }).readUInt32LE() !== xxhash.h32Raw(block) >>> 0) {
      throw damaged('lz4', 'wrong checksum of a block');
    }
    const stored = length.readUInt32LE() >= LZ4_STORED;
    const plain = stored ? block : decodeBlock(block, header.maxBlockBytes, window, uncompressSync);
    if (!header.independentBlocks) window = Buffer.concat([window, plain]).subarray(-WINDOW_BYTES);
    contentHash.update(plain);
    contentBytes += plain.length;
    if (plain.length > 0) yield { put: plain };
  }
  if (header.contentBytes !== undefined && contentBytes !== header.contentBytes)
    throw damaged('lz4', 'wrong content size');
  if (header.hasContentChecksum && (yield { take: 4 }).readUInt32LE() !== contentHash.digest() >>> 0) {
    throw damaged('lz4', 'wrong checksum of the content');
  }
}

function decodeBlock(block: Buffer, maxBytes: number, window: Buffer, decode: Lz4Package['uncompressSync']): Buffer {
  const prefixed = Buffer.allocUnsafe(LENGTH_BYTES + block.length);
  prefixed.writeUInt32LE(maxBytes, 0);
  block.copy(prefixed, LENGTH_BYTES);
  try {
    return window.length > 0 ? decode(prefixed, window) : decode(prefixed);
  } catch (error) {
    throw damaged('lz4', messageOf(error));
  }
}
