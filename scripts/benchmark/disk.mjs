import path from 'node:path';
import { pieceMib } from './comparisons.mjs';
import { makeDisk } from './generated-disk.mjs';
import { lookAtDisk, sizeOf } from './given-disk.mjs';
import { BenchError, STATUS } from './options.mjs';
import { say } from './progress.mjs';
import { mustShell, shell } from './shell.mjs';
import { requireSpace } from './work-directory.mjs';

const MIB = 1024 ** 2;

/**
 * The disk that everything is measured on: the one that was named, or one that is made.
 * @param comparisons that it is for: they decide how much room is needed
 * @returns `{ file, bytes, facts }`
 * @throws BenchError if it cannot be used, or there is too little room
 */
export async function prepareDisk({ disk: given, sizeMib, cores }, comparisons, directory) {
  const file = given ?? path.join(directory, 'disk.img');
  const facts = given === undefined ? undefined : await lookAtDisk(given);
  const bytes = given === undefined ? sizeMib * MIB : await sizeOf(given);
  if (bytes === 0) throw new BenchError(STATUS.failed, `"${file}" is empty: there is nothing to measure`);
  const neededBytes = spaceFor({ bytes, isMade: given === undefined, comparisons, cores });
  await requireSpace(directory, neededBytes);
  if (facts !== undefined) return { file, bytes, facts };
  say(`making a disk of ${sizeMib} MiB from this machine's own files`);
  const made = await makeDisk(directory, sizeMib);
  return { file, bytes, facts: made.facts };
}

/**
 * The disk, what a restore makes of it, the same written once more, and images to restore from, of which each is taken to
 * be 0.6 of the disk: lz4 makes less than that of programs and documents.
 */
function spaceFor({ bytes, isMade, comparisons, cores }) {
  // A foreign image is one of the others'.
  const restores = comparisons.filter(({ kind, isForeign }) => kind === 'restore' && !isForeign);
  const pieceBytes = Math.min(bytes, pieceMib(cores) * MIB);
  const imagesBytes = restores.reduce((sum, { onPiece }) => sum + 2 * 0.6 * (onPiece ? pieceBytes : bytes), 0);
  const piece = comparisons.some(({ onPiece }) => onPiece) && pieceBytes < bytes ? pieceBytes : 0;
  return (isMade ? bytes : 0) + 2 * bytes + imagesBytes + piece;
}

/** What slow codecs take: the first part of a disk, all of a small one. */
export async function cutPiece({ file, bytes }, cores, directory) {
  const pieceBytes = pieceMib(cores) * MIB;
  if (bytes <= pieceBytes) return { file, bytes };
  const piece = path.join(directory, 'piece.img');
  const script = 'dd if="$FILE" of="$PIECE" bs=4M count="$BYTES" iflag=count_bytes,fullblock conv=fsync status=none';
  await mustShell('copy the first part of the disk', script, { FILE: file, PIECE: piece, BYTES: String(pieceBytes) });
  return { file: piece, bytes: pieceBytes };
}

/** Whether O_DIRECT works where the disk and where the output lies; not every file system has it. */
export async function hasDirectIo(file, directory) {
  const script = `dd if="$FILE" of=/dev/null bs=4M count=1 iflag=direct status=none &&
    dd if=/dev/zero of="$PROBE" bs=4096 count=1 oflag=direct status=none && dd if="$PROBE" of=/dev/null iflag=direct bs=4M status=none`;
  return (await shell(script, { FILE: file, PROBE: path.join(directory, 'probe') })).ok;
}
