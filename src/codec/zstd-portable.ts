import { createRequire } from 'node:module';
import { LifeboatError, messageOf } from '../error.js';
import { cannotEncode, damaged, holdsTooMuch, trailingBytes } from '../native/frame-error.js';
import type { Decoder, Encoder, StreamDecoder } from './codec.js';
import { walkFrame } from './frame-walk.js';
import { createPullStream, type PullProgram, skip, takeWalk } from './pull-stream.js';
import { loadXxhash } from './xxhash.js';
import { walkZstdFrame, walkZstdHeader, ZSTD_MAGIC, type ZstdFrame } from './zstd-frame.js';

interface ZstdPackage {
  compress(plain: Buffer, level: number): Promise<Buffer>;
  /** Checks the checksum; decodes several frames if there are. */
  decompress(frame: Buffer): Promise<Buffer>;
}

export const ZSTD_PACKAGE = '@mongodb-js/zstd';

/** Not the package's main module: that one drops the level. */
export function loadZstdPackage(): ZstdPackage {
  return createRequire(import.meta.url)(`${ZSTD_PACKAGE}/bindings`);
}

/** Frame header descriptor: content size in 4 bytes, the window as large as the content, checksum. */
const DESCRIPTOR = 0x80 | 0x20 | 0x04;
const HEADER_BYTES = 4 + 1 + 4;
const CHECKSUM_BYTES = 4;

/** The package writes neither content size nor checksum, so its frames get another header and a checksum. */
export async function createPortableEncoder(level: number): Promise<Encoder> {
  const xxhash = await loadXxhash();
  const { compress } = loadZstdPackage();
  let levelNow = level;
  return {
    setLevel(to) {
      levelNow = to;
    },
    async encode(plain, out) {
      const foreign = await compress(plain, levelNow);
      const { value, bytes } = walkFrame('zstd', walkZstdHeader(), foreign);
      if (value.hasChecksum)
        throw cannotEncode('zstd', `${ZSTD_PACKAGE} writes checksums, which this version does not expect`);
      const checksumAt = HEADER_BYTES + foreign.length - bytes;
      if (checksumAt + CHECKSUM_BYTES > out.length)
        throw cannotEncode('zstd', `${out.length} bytes are too few for the frame`);
      out.writeUInt32LE(ZSTD_MAGIC, 0);
      out.writeUInt8(DESCRIPTOR, 4);
      out.writeUInt32LE(plain.length, 5);
      foreign.copy(out, HEADER_BYTES, bytes);
      out.writeUInt32LE(Number(xxhash.h64Raw(plain) & 0xffff_ffffn), checksumAt);
      return checksumAt + CHECKSUM_BYTES;
    },
    close() {},
  };
}

export function createPortableDecoder(): Decoder {
  return {
    async decode(frame, out) {
      const { value, bytes } = walkFrame('zstd', walkZstdFrame(), frame);
      if (bytes !== frame.length) throw trailingBytes('zstd');
      if ((value.contentBytes ?? 0) > out.length) throw holdsTooMuch('zstd', out.length);
      const plain = await decompressFrame(frame, value);
      if (plain.length > out.length) throw holdsTooMuch('zstd', out.length);
      return plain.copy(out);
    },
    close() {},
  };
}

/** The package decodes whole frames into memory of its own; beyond this a host needs the real library. */
const MAX_PLAIN_BYTES = 128 * 1024 * 1024;

async function decompressFrame(frame: Buffer, { windowBytes, contentBytes, boundBytes }: ZstdFrame): Promise<Buffer> {
  if (windowBytes > MAX_PLAIN_BYTES || (contentBytes ?? boundBytes) > MAX_PLAIN_BYTES) throw tooLarge();
  let plain: Buffer;
  try {
    plain = await loadZstdPackage().decompress(frame);
  } catch (error) {
    throw damaged('zstd', messageOf(error));
  }
  if (contentBytes !== undefined && plain.length !== contentBytes) throw damaged('zstd', 'wrong content size');
  return plain;
}

function tooLarge(): LifeboatError {
  const limit = `${MAX_PLAIN_BYTES / 1024 / 1024} MiB`;
  return new LifeboatError('FAILED', `the portable zstd engine decodes frames and windows of at most ${limit}`, {
    hint: 'apt install libzstd1',
  });
}

const SKIPPABLE_MAGIC = 0x184d_2a50;

export function createPortableStream(): StreamDecoder {
  return createPullStream(decodeFrames());
}

async function* decodeFrames(): PullProgram {
  for (let frames = 0; ; frames++) {
    const magic = yield { take: 4, fileMayEnd: frames > 0 };
    if ((magic.readUInt32LE() & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) {
      yield* skip((yield { take: 4 }).readUInt32LE());
      continue;
    }
    yield { giveBack: magic };
    yield* decodeFrame();
  }
}

async function* decodeFrame(): PullProgram {
  const pieces: Buffer[] = [];
  let frameBytes = 0;
  const frame = yield* takeWalk(walkZstdFrame(), (piece) => {
    frameBytes += piece.length;
    if (frameBytes > MAX_PLAIN_BYTES) throw tooLarge();
    pieces.push(piece);
  });
  const plain = await decompressFrame(Buffer.concat(pieces), frame);
  if (plain.length > 0) yield { put: plain };
}
