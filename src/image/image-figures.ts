import type { Manifest } from '../format/manifest.js';

/** What the history keeps of an image, whichever verb made it. What a failed run did not come to know is not there. */
export interface ImageFigures {
  codec: string;
  level?: number;
  engine?: string;
  threads?: number;
  plainBytes?: number;
  readBytes?: number;
  imageBytes?: number;
  ratio?: number;
  /** Of the image's frames; `ratioHistogram` says what it counts. */
  ratioHistogram?: number[];
  /** Read, while the image was made; in 10^6 bytes a second. */
  MBps?: number;
  /** The image's own manifest says what each is. */
  stages?: Manifest['timing'];
  verified?: boolean;
  consistency?: string;
}

export function imageFigures({ source, image, timing }: Manifest): ImageFigures {
  const readBytes = source.sizeBytes - source.skippedBytes;
  return {
    codec: image.codec,
    level: image.level,
    engine: image.engine,
    threads: image.threads,
    plainBytes: source.sizeBytes,
    readBytes,
    imageBytes: image.sizeBytes,
    ratio: image.ratio,
    ...(image.ratioHistogram === undefined ? {} : { ratioHistogram: image.ratioHistogram }),
    MBps: Math.round(readBytes / Math.max(1, timing.wallMs) / 100) / 10,
    stages: timing,
    verified: image.verified,
    consistency: source.consistency,
  };
}
