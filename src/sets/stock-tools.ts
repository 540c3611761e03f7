import { LifeboatError } from '../error.js';

/** What decodes a codec's images on any live system: a file name behind it, plaintext on stdout. */
export interface StockDecoder {
  program: string;
  flags: readonly string[];
  /** Debian's package of it. */
  package: string;
}

const DECODERS: Readonly<Record<string, StockDecoder>> = {
  zstd: { program: 'zstd', flags: ['-dc'], package: 'zstd' },
  gzip: { program: 'gzip', flags: ['-dc'], package: 'gzip' },
  lz4: { program: 'lz4', flags: ['-dc'], package: 'lz4' },
  xz: { program: 'xz', flags: ['-dc'], package: 'xz-utils' },
  bzip2: { program: 'bzip2', flags: ['-dc'], package: 'bzip2' },
  none: { program: 'cat', flags: [], package: 'coreutils' },
};

/** @throws LifeboatError DAMAGE for a codec that is none of ours */
export function stockDecoder(codec: string): StockDecoder {
  const decoder = Object.hasOwn(DECODERS, codec) ? DECODERS[codec] : undefined;
  if (decoder !== undefined) return decoder;
  throw new LifeboatError('DAMAGE', `Cannot tell how stock tools decode "${codec}"`);
}

/** As one word of a POSIX shell, on one line. */
export function shellWord(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const plain = text.replace(/[\u0000-\u001f\u007f]/g, '?');
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(plain) ? plain : `'${plain.replaceAll("'", `'\\''`)}'`;
}
