import type { ImageOptions } from '../../src/image/image-options.js';

/** What a run is asked for where a test asks for nothing else. */
export const imageOptions = (more: Partial<ImageOptions>): ImageOptions => ({
  source: 'disk',
  out: 'disk.img.zst',
  codec: 'auto',
  level: undefined,
  engine: 'auto',
  threads: 2,
  chunkBytes: undefined,
  bwlimitKiBps: 0,
  ionice: undefined,
  verify: false,
  sha256: false,
  onReadError: 'fail',
  force: false,
  dryRun: false,
  signal: new AbortController().signal,
  ...more,
});
