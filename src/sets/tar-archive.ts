import { createReadStream } from 'node:fs';
import { LifeboatError } from '../error.js';

/** A regular file of an archive. Its contents are bytes, or a file of exactly so many bytes. */
export interface TarEntry {
  name: string;
  mode: number;
  content: Buffer | { path: string; sizeBytes: number };
}

const BLOCK_BYTES = 512;
/** The same whenever it is made; old enough for a live system whose clock is wrong, and not 0, of which tar complains. */
const MTIME_S = Date.UTC(2020, 0, 1) / 1000;

/**
 * Makes a tar archive of regular files, by POSIX.1-1988 (ustar), which every tar reads. Directories are not listed: tar
 * makes them.
 * @throws LifeboatError FAILED when a file's size changes meanwhile; RangeError for a name that is too long
 */
export async function* tarArchive(entries: Iterable<TarEntry>): AsyncGenerator<Buffer> {
  for (const { name, mode, content } of entries) {
    const sizeBytes = Buffer.isBuffer(content) ? content.length : content.sizeBytes;
    yield tarHeader(name, mode, sizeBytes);
    yield* entryBytes(content);
    yield Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

/** @throws LifeboatError FAILED when a file does not have the size it had */
export async function* entryBytes(content: TarEntry['content']): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(content)) {
    yield content;
    return;
  }
  let done = 0;
  for await (const bytes of createReadStream(content.path, { highWaterMark: 1024 * 1024 })) {
    done += (bytes as Buffer).length;
    if (done <= content.sizeBytes) yield bytes as Buffer;
  }
  if (done !== content.sizeBytes)
    throw new LifeboatError('FAILED', `Cannot archive "${content.path}": it changed meanwhile`, {
      hint: 'run this again once nothing is being installed',
    });
}

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

function tarHeader(name: string, mode: number, sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const { prefix, rest } = splitName(name);
  header.write(rest, 0, 'utf8');
  writeOctal(header, mode, 100, 8);
  writeOctal(header, 0, 108, 8);
  writeOctal(header, 0, 116, 8);
  writeOctal(header, sizeBytes, 124, 12);
  writeOctal(header, MTIME_S, 136, 12);
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write(prefix, 345, 'utf8');
  // The checksum is of the header with spaces in its own place.
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function writeOctal(header: Buffer, value: number, at: number, bytes: number): void {
  const digits = value.toString(8);
  if (digits.length >= bytes) throw new RangeError(`${value} does not fit into a tar header`);
  header.write(digits.padStart(bytes - 1, '0'), at, 'latin1');
}

function splitName(name: string): { prefix: string; rest: string } {
  if (Buffer.byteLength(name) <= NAME_BYTES) return { prefix: '', rest: name };
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
    const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= PREFIX_BYTES && Buffer.byteLength(rest) <= NAME_BYTES) return { prefix, rest };
  }
  throw new RangeError(`"${name}" is too long for a tar archive`);
}
