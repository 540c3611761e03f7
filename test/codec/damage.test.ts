import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Codec, Decoder, EngineName } from '../../src/codec/codec.js';
import { LifeboatError } from '../../src/error.js';
import { encode, everyEngine, sample, shared, sharedCopy } from './samples.js';

const ROOM_BYTES = 4096;

/** @returns the plaintext, or undefined if the decoder said DAMAGE; anything else is thrown */
async function decodeOrRefuse(decoder: Decoder, frame: Buffer, out: Buffer): Promise<Buffer | undefined> {
  try {
    return out.subarray(0, await decoder.decode(frame, out));
  } catch (error) {
    if (error instanceof LifeboatError && error.code === 'DAMAGE') return undefined;
    // A flipped bit in a header can ask the portable engine for a window that it does not have.
    if (error instanceof LifeboatError && error.hint === 'apt install libzstd1') return undefined;
    throw error;
  }
}

async function withDecoder(codec: Codec, engine: EngineName, body: (decoder: Decoder) => Promise<void>): Promise<void> {
  const decoder = await codec.createDecoder(engine);
  try {
    await body(decoder);
  } finally {
    decoder.close();
  }
}

for (const { codec, engine, title } of everyEngine()) {
  test(`${title} decoder refuses a plaintext that is larger than its room`, () =>
    withDecoder(codec, engine, async (decoder) => {
      for (const bytes of [1, 1000, 200_000]) {
        const frame = await encode(codec, engine, sample('text', bytes));
        for (const room of [0, bytes - 1]) {
          await assert.rejects(
            async () => decoder.decode(frame, shared(room)),
            { code: 'DAMAGE' },
            `${bytes} in ${room}`,
          );
        }
      }
    }));

  if (codec.name === 'none') continue;

  for (const kind of ['text', 'random', 'zeros'] as const) {
    test(`${title} decoder refuses a frame of ${kind} cut at any byte`, () =>
      withDecoder(codec, engine, async (decoder) => {
        const frame = await encode(codec, engine, sample(kind, 600));
        for (let bytes = 0; bytes < frame.length; bytes++) {
          for (const room of [600, ROOM_BYTES]) {
            const cut = sharedCopy(frame.subarray(0, bytes));
            assert.equal(await decodeOrRefuse(decoder, cut, shared(room)), undefined, `cut at ${bytes}`);
          }
        }
      }));

    test(`${title} decoder never gives wrong plaintext of ${kind} for a flip of any one bit`, () =>
      withDecoder(codec, engine, async (decoder) => {
        const plain = sample(kind, 300);
        const frame = sharedCopy(await encode(codec, engine, plain));
        const out = shared(ROOM_BYTES);
        for (let bit = 0; bit < frame.length * 8; bit++) {
          frame.writeUInt8(frame.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
          const back = await decodeOrRefuse(decoder, frame, out);
          assert.ok(back === undefined || back.equals(plain), `bit ${bit & 7} of byte ${bit >> 3}`);
          frame.writeUInt8(frame.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        }
        assert.ok((await decodeOrRefuse(decoder, frame, out))?.equals(plain));
      }));
  }

  test(`${title} decoder refuses a frame with bytes behind its end, also if they are a further frame`, () =>
    withDecoder(codec, engine, async (decoder) => {
      for (const bytes of [0, 500]) {
        const frame = await encode(codec, engine, sample('text', bytes));
        const empty = await encode(codec, engine, sample('text', 0));
        for (const more of [Buffer.alloc(1), Buffer.alloc(4), Buffer.from('more'), frame, empty]) {
          const long = sharedCopy(Buffer.concat([frame, more]));
          assert.equal(await decodeOrRefuse(decoder, long, shared(ROOM_BYTES)), undefined, `${more.length} more`);
        }
      }
    }));

  test(`${title} decoder survives any bytes behind a sound beginning`, () =>
    withDecoder(codec, engine, async (decoder) => {
      const frame = await encode(codec, engine, sample('text', 2000));
      const out = shared(ROOM_BYTES);
      const property = fc.asyncProperty(fc.nat(frame.length), fc.uint8Array({ maxLength: 400 }), async (keep, junk) => {
        const broken = sharedCopy(Buffer.concat([frame.subarray(0, keep), junk]));
        await decodeOrRefuse(decoder, broken, out);
      });
      await fc.assert(property, { numRuns: 300 });
    }));

  test(`${title} decoder says in a few words what is wrong`, () =>
    withDecoder(codec, engine, async (decoder) => {
      const frame = sharedCopy(await encode(codec, engine, sample('text', 600)));
      frame.writeUInt8(frame.readUInt8(frame.length >> 1) ^ 0x10, frame.length >> 1);
      const words = new RegExp(`^${codec.name} frame: .{5,80}$`);
      await assert.rejects(async () => decoder.decode(frame, shared(600)), { code: 'DAMAGE', message: words });
    }));
}

test('zstd decoders refuse a wrong checksum by that name', async () => {
  for (const { codec, engine } of everyEngine().filter(({ codec }) => codec.name === 'zstd')) {
    const frame = sharedCopy(await encode(codec, engine, sample('random', 600)));
    frame.writeUInt8(frame.readUInt8(frame.length - 1) ^ 1, frame.length - 1);
    await withDecoder(codec, engine, async (decoder) => {
      await assert.rejects(async () => decoder.decode(frame, shared(600)), { message: /match checksum/ });
    });
  }
});

test('native decoders throw after close instead of reading freed memory', async () => {
  for (const { codec, engine } of everyEngine().filter(({ codec }) => ['gzip', 'zstd', 'lz4'].includes(codec.name))) {
    if (engine !== 'native') continue;
    const frame = await encode(codec, engine, sample('text', 600));
    const decoder = await codec.createDecoder(engine);
    decoder.close();
    await assert.rejects(async () => decoder.decode(frame, shared(600)), /closed/);
  }
});
