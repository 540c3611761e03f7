import { randomFillSync } from 'node:crypto';
import type { Codec, EngineName } from '../../src/codec/codec.js';
import { CODEC_NAMES, codecByName } from '../../src/codec/index.js';

export const ENGINES: readonly EngineName[] = ['native', 'portable'];

/** Every codec with every engine that it has. */
export function everyEngine(): { codec: Codec; engine: EngineName; title: string }[] {
  return CODEC_NAMES.map(codecByName).flatMap((codec) =>
    ENGINES.filter((engine) => codec.levels(engine) !== undefined).map((engine) => ({
      codec,
      engine,
      title: `${codec.name} (${engine})`,
    })),
  );
}

/** A buffer as the program has them: a view somewhere inside of shared memory. */
export function shared(bytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes + 16), 16, bytes);
}

export function sharedCopy(data: Buffer): Buffer {
  const copy = shared(data.length);
  data.copy(copy);
  return copy;
}

export type Kind = 'random' | 'zeros' | 'text';

export function sample(kind: Kind, bytes: number): Buffer {
  const buffer = shared(bytes);
  if (kind === 'random') randomFillSync(buffer);
  if (kind === 'text') fillWithText(buffer);
  return buffer;
}

function fillWithText(buffer: Buffer): void {
  let at = 0;
  for (let line = 0; at < buffer.length; line++) {
    at += buffer.write(`${line * line} bytes of ${(line * 7919) % 1000} lie behind sector ${line ^ 0x5555}\n`, at);
  }
}

export async function encode(codec: Codec, engine: EngineName, plain: Buffer, level?: number): Promise<Buffer> {
  const options = { level: level ?? codec.defaultLevel, chunkBytes: Math.max(1, plain.length) };
  const encoder = await codec.createEncoder(engine, options);
  try {
    const out = shared(codec.frameBound(plain.length));
    return out.subarray(0, await encoder.encode(plain, out));
  } finally {
    encoder.close();
  }
}

export async function decode(codec: Codec, engine: EngineName, frame: Buffer, room: number): Promise<Buffer> {
  const decoder = await codec.createDecoder(engine);
  try {
    const out = shared(room);
    return out.subarray(0, await decoder.decode(frame, out));
  } finally {
    decoder.close();
  }
}

export interface Unpacked {
  plain: Buffer;
  atEnd: boolean;
}

/** Runs a file through a stream decoder, in pieces of `inBytes` and out of a window of `outBytes`, as a reader would. */
export async function unpack(
  codec: Codec,
  engine: EngineName,
  file: Buffer,
  inBytes = 65_536,
  outBytes = 65_536,
): Promise<Unpacked> {
  const decoder = await codec.createStreamDecoder(engine);
  const output = shared(outBytes);
  const pieces: Buffer[] = [];
  let atEnd = false;
  let offset = 0;
  try {
    for (;;) {
      const step = await decoder.step(file.subarray(offset, offset + inBytes), output);
      pieces.push(Buffer.from(output.subarray(0, step.producedBytes)));
      offset += step.consumedBytes;
      atEnd = step.atEnd;
      if (step.consumedBytes === 0 && step.producedBytes === 0) break;
    }
  } finally {
    decoder.close();
  }
  return { plain: Buffer.concat(pieces), atEnd: atEnd && offset === file.length };
}
