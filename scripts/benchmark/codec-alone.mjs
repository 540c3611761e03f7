// The very codecs that lifeboat runs, over a file's chunks, and nothing else: how many seconds of a processor they take.
// Bundled by bare-codec.mjs. Prints one line of JSON.
//   codec-alone FILE CODEC LEVEL PART PARTS    every PARTS-th chunk: encode, decode
//   codec-alone FILE CODEC stream              a foreign file, from its front to its end: decode
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { codecByName } from '../../src/codec/index.ts';
import { chooseEncoder, chooseEngine } from '../../src/image/choose-engine.ts';
import { isAllZeros } from '../../src/stream/zeros.ts';

const [file, codecName, ...rest] = process.argv.slice(2);
const codec = codecByName(codecName);
const input = openSync(file, 'r');
const bytes = fstatSync(input).size || Number(process.env.BYTES);
const seconds = rest[0] === 'stream' ? await decodeStream() : await codeChunks(...rest.map(Number));
closeSync(input);
process.stdout.write(`${JSON.stringify(seconds)}\n`);

async function codeChunks(level, part, parts) {
  const chunkBytes = codec.defaultChunkBytes;
  const engine = chooseEncoder(codec, 'auto', level);
  const encoder = await codec.createEncoder(engine, { level, chunkBytes });
  const decoder = await codec.createDecoder(engine);
  const room = Buffer.alloc(chunkBytes);
  const frame = Buffer.alloc(codec.frameBound(chunkBytes));
  const back = Buffer.alloc(chunkBytes);
  const total = { encode: 0, decode: 0 };
  for (let offset = part * chunkBytes; offset < bytes; offset += parts * chunkBytes) {
    const plain = room.subarray(0, readSync(input, room, 0, chunkBytes, offset));
    // Nobody compresses zeros twice.
    if (isAllZeros(plain)) continue;
    const start = processorSeconds();
    const frameBytes = await encoder.encode(plain, frame);
    const between = processorSeconds();
    await decoder.decode(frame.subarray(0, frameBytes), back);
    total.encode += between - start;
    total.decode += processorSeconds() - between;
  }
  encoder.close();
  decoder.close();
  return total;
}

async function decodeStream() {
  const stream = await codec.createStreamDecoder(chooseEngine(codec, 'auto'));
  const room = Buffer.alloc(4 * 1024 * 1024);
  const output = Buffer.alloc(4 * 1024 * 1024);
  const total = { encode: 0, decode: 0 };
  let left = room.subarray(0, 0);
  for (let offset = 0; ; ) {
    if (left.length === 0) {
      left = room.subarray(0, readSync(input, room, 0, room.length, offset));
      offset += left.length;
    }
    const start = processorSeconds();
    const step = await stream.step(left, output);
    total.decode += processorSeconds() - start;
    left = left.subarray(step.consumedBytes);
    if (offset >= bytes && left.length === 0 && step.producedBytes < output.length) break;
  }
  stream.close();
  return total;
}

function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
