import { createHash } from 'node:crypto';
import type { CodecName, EngineName } from '../codec/codec.js';

/** What `OUT.json` tells of the image beside it (docs/formats.md, "Manifest"). Sizes in bytes, times in milliseconds. */
export interface Manifest {
  format: 'lifeboat-manifest';
  formatVersion: 1;
  lifeboatVersion: string;
  /** ISO 8601, UTC. */
  createdAt: string;
  source: {
    path: string;
    kind: 'block' | 'file' | 'stream';
    sizeBytes: number;
    logicalSectorBytes: number | null;
    /**
     * `snapshot`: mounted file systems were read from snapshots. `crash`: as after a power cut, for it was mounted.
     * `still`: nothing had it mounted. `unknown`: nobody can tell.
     */
    consistency: 'snapshot' | 'crash' | 'still' | 'unknown';
    /** Saved as zeros without being read: holes. */
    skippedBytes: number;
    zeroBytes: number;
    /** Could not be read and were saved as zeros. */
    badRanges: { offset: number; length: number }[];
  };
  image: {
    name: string;
    sizeBytes: number;
    codec: CodecName;
    /** That of most of what was compressed, where it was changed meanwhile. */
    level: number;
    engine: EngineName | 'gpu';
    threads: number;
    chunkBytes: number;
    frames: number;
    ratio: number;
    /** Frames by what compression leaves of them, in sixteenths; not in manifests of older versions. */
    ratioHistogram?: number[];
    sha256: string | null;
    /** SHA-256 of what stands behind the last frame, or of `index` where nothing can: binds this file to its image. */
    indexHash: string;
    /** The index block in base64, for codecs whose files have no place for it. */
    index: string | null;
    verified: boolean;
  };
  timing: {
    wallMs: number;
    readMs: number;
    readWaitMs: number;
    codecMs: number;
    codecWaitMs: number;
    writeMs: number;
    writeWaitMs: number;
    bottleneck: string;
  };
  /** Where the codec was chosen by load: what was decided, the first at the start, and the numbers that decided. */
  policy?: {
    priority: string;
    kind: string;
    /** `atMs`: since the run began. At most 200. */
    decisions: { atMs: number; what: string; why: string }[];
  };
  warnings: string[];
}

/** What binds a manifest to its image: the SHA-256 of what stands behind the last frame, in hexadecimal. */
export function indexHash(index: Buffer): string {
  return createHash('sha256').update(index).digest('hex');
}

export function encodeManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** What of a manifest its readers rely on; undefined if the text is no manifest of ours, or a broken one. */
export function parseManifest(text: string): Manifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isManifest(value) ? value : undefined;
}

function isManifest(value: unknown): value is Manifest {
  if (!isRecord(value) || value.format !== 'lifeboat-manifest' || value.formatVersion !== 1) return false;
  const { source, image } = value;
  return (
    isRecord(source) &&
    isRecord(image) &&
    typeof source.sizeBytes === 'number' &&
    (source.logicalSectorBytes === null || typeof source.logicalSectorBytes === 'number') &&
    typeof image.codec === 'string' &&
    typeof image.sizeBytes === 'number' &&
    typeof image.chunkBytes === 'number' &&
    typeof image.indexHash === 'string' &&
    (image.index === null || typeof image.index === 'string') &&
    (image.sha256 === null || typeof image.sha256 === 'string')
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
