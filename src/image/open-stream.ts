import { codecByName } from '../codec/index.js';
import { LifeboatError } from '../error.js';
import type { Container } from '../format/container.js';
import { codecOfHead, containerOf, HEAD_BYTES } from '../format/containers.js';
import { createFrameTable } from '../format/frame-table.js';
import { unknownData } from '../format/identify.js';
import { readStream } from '../stream/chunk-source.js';
import { streamCursor } from '../stream/cursors.js';
import { FRAME_SLACK_BYTES, splitFrames } from '../stream/frame-provider.js';
import { chooseEngine } from './choose-engine.js';
import { SALVAGE_HINT } from './decode.js';
import { fromFrontToBack, type OpenImage, type OpenOptions, provesItself, sequentialFrame } from './open-image.js';

/**
 * An image that comes through a pipe. What we wrote is cut into its frames and decoded side by side, and its end is
 * compared with what the frames before it demand; anything else is decoded from front to back.
 * @throws LifeboatError DAMAGE if it is nothing that is known
 */
export async function openImageStream(fd: number, path: string, options: OpenOptions): Promise<OpenImage> {
  const cursor = streamCursor((into, length) => readStream(fd, into, length, path, options.signal));
  const head = await cursor.peek(HEAD_BYTES);
  const name = options.raw ? 'none' : codecOfHead(head);
  if (name === undefined) {
    const { message, hint } = unknownData();
    throw new LifeboatError('DAMAGE', `${path} is no image that can be read: ${message}`, { hint });
  }
  const codec = codecByName(name);
  const container = containerOf(name);
  // An xz file says nothing of the size of its blocks before they come.
  const damage: LifeboatError[] = [];
  const prologue = name === 'xz' ? undefined : readPrologue(container, head, path, options.salvage, damage);
  const engine = chooseEngine(codec, options.engine);
  const common = {
    path,
    codec: name,
    engine,
    plainBytes: undefined,
    storedBytes: undefined,
    xzCheck: undefined,
    manifest: undefined,
    table: undefined,
    damage,
    notes: [],
    close: () => undefined,
  };
  if (prologue === undefined) {
    const first = Buffer.from(head);
    const { plainBytes, storedBytes } = sequentialFrame(first);
    return {
      ...common,
      origin: 'foreign',
      structureOnly: !provesItself(name, head),
      // What came through a pipe does not come again.
      provenBy: undefined,
      slotPlainBytes: plainBytes,
      slotFrameBytes: storedBytes + FRAME_SLACK_BYTES,
      provide: () => fromFrontToBack(cursor, codec, engine, first),
      finish: () => Promise.resolve([]),
    };
  }

  const { chunkBytes } = prologue;
  await cursor.advance(container.prologueBytes);
  const frames = splitFrames(cursor, container);
  return {
    ...common,
    origin: 'lifeboat',
    structureOnly: false,
    provenBy: 'frame',
    slotPlainBytes: chunkBytes,
    slotFrameBytes: codec.frameBound(chunkBytes) + FRAME_SLACK_BYTES,
    provide: () => Promise.resolve(frames),
    async finish(frameCrcs) {
      const table = createFrameTable(container.prologueBytes, { alignBytes: container.alignBytes });
      frames.shapes.forEach(({ indexedLength, plainLength }, number) => {
        table.add(indexedLength, plainLength, frameCrcs[number] ?? 0);
      });
      const expected = container.epilogue(chunkBytes, table);
      const at = cursor.position;
      const rest = Buffer.alloc(expected.length + 1);
      let got = 0;
      for (let bytes = -1; bytes !== 0 && got < rest.length; got += bytes)
        bytes = await cursor.readAny(rest.subarray(got), rest.length - got);
      if (rest.subarray(0, got).equals(expected)) return [];
      const what = got === 0 ? 'it has no index at its end: it is cut off' : 'its index does not match its frames';
      return [new LifeboatError('DAMAGE', what, { offset: at })];
    },
  };
}

/** A broken start is the end of it, unless something is to be saved all the same: by decoding it as anybody's file. */
function readPrologue(
  container: Container,
  head: Buffer,
  path: string,
  salvage: boolean,
  damage: LifeboatError[],
): { chunkBytes: number } | undefined {
  try {
    return container.parsePrologue(head);
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code !== 'DAMAGE') throw error;
    if (!salvage)
      throw new LifeboatError('DAMAGE', `${path} is damaged: ${error.message}`, { cause: error, hint: SALVAGE_HINT });
    damage.push(error);
    return undefined;
  }
}
