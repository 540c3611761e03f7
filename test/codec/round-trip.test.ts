import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, ENGINES, encode, everyEngine, type Kind, sample, sharedCopy } from './samples.js';

const SIZES = [0, 1, 2, 3, 4095, 4097, 1024 * 1024 + 1];
const KINDS: readonly Kind[] = ['random', 'zeros', 'text'];

for (const { codec, engine, title } of everyEngine()) {
  test(`${title} gives back what it took, whatever the size`, async () => {
    for (const bytes of SIZES) {
      for (const kind of KINDS) {
        const plain = sample(kind, bytes);
        const frame = await encode(codec, engine, plain);
        const back = await decode(codec, engine, frame, bytes);
        assert.ok(back.equals(plain), `${bytes} bytes of ${kind}`);
      }
    }
  });

  test(`${title} gives back a chunk of the default size and one byte more, random and text`, async () => {
    const kinds: readonly Kind[] = codec.name === 'bzip2' || codec.name === 'xz' ? ['text'] : ['random', 'text'];
    for (const kind of kinds) {
      const plain = sample(kind, codec.defaultChunkBytes + 1);
      const frame = await encode(codec, engine, plain, codec.levels(engine)?.min);
      assert.ok((await decode(codec, engine, frame, plain.length)).equals(plain), kind);
    }
  });

  test(`${title} keeps to frameBound with data that does not shrink, at the lowest and the highest level`, async () => {
    const range = codec.levels(engine) ?? { min: 0, max: 0 };
    for (const level of [range.min, range.max]) {
      for (const bytes of [0, 1, 70_000, 300_000]) {
        const plain = sample('random', bytes);
        const frame = await encode(codec, engine, plain, level);
        assert.ok((await decode(codec, engine, frame, bytes)).equals(plain), `level ${level}, ${bytes} bytes`);
      }
    }
  });

  test(`${title} leaves alone what lies behind the frame and behind the plaintext`, async () => {
    const plain = sample('text', 5000);
    const frame = await encode(codec, engine, plain);
    const encoder = await codec.createEncoder(engine, { level: codec.defaultLevel, chunkBytes: 8192 });
    const decoder = await codec.createDecoder(engine);
    const room = sharedCopy(Buffer.alloc(20_000, 0xaa));
    const frameBytes = await encoder.encode(plain, room.subarray(0, codec.frameBound(plain.length)));
    assert.equal(frameBytes, frame.length);
    assert.ok(room.subarray(codec.frameBound(plain.length)).every((byte) => byte === 0xaa));
    room.fill(0xaa);
    assert.equal(await decoder.decode(frame, room.subarray(0, plain.length)), plain.length);
    assert.ok(room.subarray(plain.length).every((byte) => byte === 0xaa));
    encoder.close();
    decoder.close();
  });

  test(`${title} works frame after frame with one context, also after a bad frame`, async () => {
    const encoder = await codec.createEncoder(engine, { level: codec.defaultLevel, chunkBytes: 100_000 });
    const decoder = await codec.createDecoder(engine);
    const out = sharedCopy(Buffer.alloc(100_000));
    for (let bytes = 0; bytes < 100_000; bytes = bytes * 3 + 1) {
      const plain = sample('text', bytes);
      const frame = sharedCopy(Buffer.alloc(codec.frameBound(bytes)));
      const whole = frame.subarray(0, await encoder.encode(plain, frame));
      assert.equal(await decoder.decode(whole, out), bytes);
      assert.ok(out.subarray(0, bytes).equals(plain), `${bytes} bytes`);
      if (codec.name === 'none') continue;
      await assert.rejects(async () => decoder.decode(whole.subarray(0, whole.length - 1), out), { code: 'DAMAGE' });
    }
    encoder.close();
    decoder.close();
    decoder.close();
  });

  test(`${title} decodes what the other engine wrote`, async () => {
    for (const other of ENGINES) {
      if (codec.levels(other) === undefined) continue;
      for (const bytes of [0, 3, 70_000]) {
        const plain = sample('text', bytes);
        const back = await decode(codec, engine, await encode(codec, other, plain), bytes);
        assert.ok(back.equals(plain), `${bytes} bytes of ${other}`);
      }
    }
  });

  test(`${title} gives back any bytes at any level`, async () => {
    const range = codec.levels(engine) ?? { min: 0, max: 0 };
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 3000, size: 'max' }));
    await fc.assert(
      fc.asyncProperty(bytes, fc.integer(range), async (array, level) => {
        const plain = sharedCopy(Buffer.from(array));
        const back = await decode(codec, engine, await encode(codec, engine, plain, level), plain.length);
        return back.equals(plain);
      }),
      { numRuns: 40 },
    );
  });
}
