import type { Codec, CodecName, EngineName } from '../codec/codec.js';
import { codecByName } from '../codec/index.js';
import { hasIndependentBlocks } from '../codec/lz4-frame.js';
import { chooseXxh32, chooseXxh32Stream } from '../codec/xxhash.js';
import { openSource, type Source } from '../device/source.js';
import { LifeboatError } from '../error.js';
import { containerOf, HEAD_BYTES } from '../format/containers.js';
import type { Cursor, RandomReader } from '../format/cursor.js';
import { createFrameTable, type FrameTable, largestFrame, locateFrames } from '../format/frame-table.js';
import {
  type ImageShape,
  identifyFile,
  MAX_PARALLEL_FRAME_BYTES,
  type WalkedFile,
  walkFile,
} from '../format/identify.js';
import type { Manifest } from '../format/manifest.js';
import { blockGroupBound, blockGroups } from '../stream/block-groups.js';
import { fileCursor, type StreamRead, streamCursor } from '../stream/cursors.js';
import { FRAME_SLACK_BYTES, type FrameProvider, locatedFrames, sequentialFrames } from '../stream/frame-provider.js';
import type { PlainRange } from '../stream/plain-sink.js';
import { leaveCache, readAt, readSome } from '../stream/read-at.js';
import { bindManifest, detachedTable } from './bound-manifest.js';
import { chooseEngine, type EngineChoice } from './choose-engine.js';
import { readManifest } from './sidecars.js';

/** An image that is ready to be decoded, from a file or a stream. Sizes in bytes. */
export interface OpenImage {
  /** For messages. */
  path: string;
  codec: CodecName;
  engine: EngineName;
  /** `lifeboat`: an index proves the whole file. `foreign`: each frame proves itself at most. */
  origin: 'lifeboat' | 'foreign';
  /** Nothing proves the plaintext: only the structure is checked. */
  structureOnly: boolean;
  plainBytes: number | undefined;
  storedBytes: number | undefined;
  /**
   * What proves the work of a graphics card: each frame that it decodes, or only the end of all of them, after which they can be
   * decoded again; or nothing.
   */
  provenBy: 'frame' | 'file' | undefined;
  /** What slots must hold. */
  slotPlainBytes: number;
  slotFrameBytes: number;
  xzCheck: number | undefined;
  /** The manifest beside it, if it belongs to it. */
  manifest: Manifest | undefined;
  /** Where the frames are, if that is known before. */
  table: FrameTable | undefined;
  /** What was found wrong before any frame was looked at. */
  damage: LifeboatError[];
  /** What a user should know. */
  notes: string[];
  /** Frames that overlap the range, or all. */
  provide(range?: PlainRange): Promise<FrameProvider>;
  /** After the last frame: what is wrong with the rest. */
  finish(frameCrcs: readonly number[]): Promise<LifeboatError[]>;
  close(): void;
}

export interface OpenOptions {
  engine: EngineChoice;
  /** The data is raw, whatever it looks like. */
  raw: boolean;
  /** Instead of the one beside the image: a manifest is not there yet while the image is being made. */
  manifest?: Manifest;
  /** Look for frames even where the index is lost. */
  salvage: boolean;
  signal: AbortSignal;
}

/** Pieces in which raw data and undivided files pass through, in bytes. */
export const PIECE_BYTES = 4 * 1024 * 1024;

/** @throws LifeboatError DAMAGE if the file is nothing that is known */
export async function openImageFile(path: string, options: OpenOptions): Promise<OpenImage> {
  const source = await openSource(path, options.signal);
  try {
    return await open(source, options);
  } catch (error) {
    source.close();
    if (!(error instanceof LifeboatError) || error.code !== 'DAMAGE') throw error;
    throw new LifeboatError('DAMAGE', `"${path}" is no image that can be read: ${error.message}`, {
      cause: error,
      hint: error.hint,
    });
  }
}

async function open(source: Source, options: OpenOptions): Promise<OpenImage> {
  const notes: string[] = [];
  const beside = options.manifest ?? readManifest(source.realPath);
  const reader = randomReader(source);
  if (options.raw || beside?.image.codec === 'none') return openRaw(source, beside, options, notes);

  const shape = await identifyFile(reader);
  const manifest = bindManifest(source, shape, beside, notes);
  const { selfProving } = containerOf(shape.codec);
  const detached = selfProving ? undefined : detachedTable(source, manifest, shape.damage, notes);
  const walked =
    detached === undefined && shape.table === undefined ? await findFrames(reader, shape, options, notes) : undefined;
  const located = detached ?? shape.table ?? walked?.table;
  // Blocks of other tools can be as large as they like; those are decoded from front to back.
  const fits = located !== undefined && largestFrame(located).plainBytes <= MAX_PARALLEL_FRAME_BYTES;
  const found = fits ? located : undefined;
  const codec = codecByName(shape.codec);
  const sequential = found === undefined;
  const head = await reader.read(0, Math.min(HEAD_BYTES, source.sizeBytes));
  const largest = sequential ? sequentialFrame(head) : largestFrame(found);
  const isOurs = shape.origin === 'lifeboat' || detached !== undefined;
  const structureOnly = !isOurs && (walked?.unchecked === true || !provesItself(shape.codec, head));
  const engine = chooseEngine(codec, options.engine);

  return {
    path: source.path,
    codec: shape.codec,
    engine,
    origin: isOurs ? 'lifeboat' : 'foreign',
    structureOnly,
    plainBytes: found?.plainBytes,
    storedBytes: source.sizeBytes,
    provenBy: sequential ? provenAtEnd(head, structureOnly) : 'frame',
    slotPlainBytes: largest.plainBytes,
    slotFrameBytes: largest.storedBytes + FRAME_SLACK_BYTES,
    xzCheck: shape.xzCheck,
    manifest,
    table: found,
    damage: shape.damage,
    notes,
    async provide(range) {
      if (found !== undefined) return locatedFrames(source, source.path, framesIn(found, range));
      let position = 0;
      const read = async (into: Buffer, length: number) => {
        const bytes = await readSome(source.fd, into, length, position);
        leaveCache({ fd: source.fd, directFd: undefined }, position, bytes);
        position += bytes;
        return bytes;
      };
      return fromFrontToBack(streamCursor(read), codec, engine, head);
    },
    finish: () => Promise.resolve([]),
    close: () => source.close(),
  };
}

/**
 * A file of another tool, or one that is ours no more: by one decoder, or with the blocks of an LZ4 frame side by side.
 * @param head the file's first bytes, which the cursor is before
 */
export async function fromFrontToBack(
  cursor: Cursor & { readAny: StreamRead },
  codec: Codec,
  engine: EngineName,
  head: Buffer,
): Promise<FrameProvider> {
  const createStreamDecoder = () => codec.createStreamDecoder(engine);
  if (!hasIndependentBlocks(head)) return sequentialFrames(cursor.readAny, await createStreamDecoder(), PIECE_BYTES);
  const [xxh32, startXxh32] = [await chooseXxh32(), await chooseXxh32Stream()];
  return blockGroups({ cursor, plainBytes: PIECE_BYTES, xxh32, startXxh32, createStreamDecoder });
}

/** What slots must hold for that. */
export function sequentialFrame(head: Buffer): { storedBytes: number; plainBytes: number } {
  return { storedBytes: hasIndependentBlocks(head) ? blockGroupBound(PIECE_BYTES) : 0, plainBytes: PIECE_BYTES };
}

function provenAtEnd(head: Buffer, structureOnly: boolean): 'file' | undefined {
  return hasIndependentBlocks(head) && !structureOnly ? 'file' : undefined;
}

function* framesIn(table: FrameTable, range: PlainRange | undefined) {
  let number = 0;
  for (const frame of locateFrames(table)) {
    // Frames without plaintext are skippable ones of other tools: the table lists them for their lengths.
    if (frame.plainLength === 0) continue;
    if (range !== undefined && frame.plainOffset + frame.plainLength <= range.start) continue;
    if (range !== undefined && frame.plainOffset >= range.end) return;
    yield { ...frame, number: number++ };
  }
}

function randomReader(source: Source): RandomReader {
  return {
    sizeBytes: source.sizeBytes,
    async read(offset, bytes) {
      const buffer = Buffer.alloc(bytes);
      const got = await readAt({ fd: source.fd, directFd: undefined }, buffer, offset, bytes);
      return buffer.subarray(0, got);
    },
  };
}

/** Frames by walking over them: of files of other tools, and where our own index is lost and something may be saved. */
async function findFrames(
  reader: RandomReader,
  shape: ImageShape,
  options: OpenOptions,
  notes: string[],
): Promise<WalkedFile | undefined> {
  const container = containerOf(shape.codec);
  const lost = shape.origin === 'lifeboat';
  if (!container.selfProving || (lost && !options.salvage)) return undefined;
  if (!lost && shape.codec === 'xz') return undefined;
  const walked = await walkFile(fileCursor(reader, lost ? container.prologueBytes : 0), container, options.signal);
  if (lost) {
    notes.push(`its index is lost: ${walked.table.count} frames were found by their own headers`);
    if (walked.stoppedBy !== undefined) shape.damage.push(walked.stoppedBy);
    return walked;
  }
  const covers = walked.stoppedBy === undefined && walked.table.storedBytes === reader.sizeBytes;
  return covers && walked.table.count > 1 ? walked : undefined;
}

async function openRaw(
  source: Source,
  beside: Manifest | undefined,
  options: OpenOptions,
  notes: string[],
): Promise<OpenImage> {
  const damage: LifeboatError[] = [];
  const manifest = beside?.image.codec === 'none' ? beside : undefined;
  const detached = detachedTable(source, manifest, damage, notes);
  if (manifest !== undefined && detached === undefined && !options.raw) {
    throw new LifeboatError('DAMAGE', `"${source.path}.json" says that it is a raw disk, but is damaged itself`, {
      hint: 'if it is a raw disk, say so with -c none; nothing proves it whole then',
    });
  }
  const table = detached ?? evenTable(source.sizeBytes);
  return {
    path: source.path,
    codec: 'none',
    engine: chooseEngine(codecByName('none'), options.engine),
    origin: detached === undefined ? 'foreign' : 'lifeboat',
    structureOnly: detached === undefined,
    plainBytes: table.plainBytes,
    storedBytes: source.sizeBytes,
    provenBy: 'frame',
    slotPlainBytes: largestFrame(table).plainBytes,
    slotFrameBytes: largestFrame(table).storedBytes + FRAME_SLACK_BYTES,
    xzCheck: undefined,
    manifest,
    table,
    damage,
    notes,
    provide: (range) => Promise.resolve(locatedFrames(source, source.path, framesIn(table, range))),
    finish: () => Promise.resolve([]),
    close: () => source.close(),
  };
}

/** Raw data without a manifest, in pieces. */
function evenTable(sizeBytes: number): FrameTable {
  const table = createFrameTable(0, { hasCrc: false });
  for (let done = 0; done < sizeBytes; done += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, sizeBytes - done);
    table.add(length, length, 0);
  }
  return table;
}

/** Whether each frame of a foreign file has a checksum of its plaintext; the file's first bytes tell. */
export function provesItself(codec: CodecName, head: Buffer): boolean {
  switch (codec) {
    case 'gzip':
    case 'bzip2':
      return true;
    case 'xz':
      return ((head[7] ?? 0) & 0x0f) !== 0;
    case 'zstd':
    case 'lz4':
      // Zstandard's frame header descriptor and LZ4's flags have their checksum bit at the same place.
      return ((head[4] ?? 0) & 0x04) !== 0;
    case 'none':
      return false;
  }
}
