import { stat } from 'node:fs/promises';
import { timeAlone } from './measure.mjs';

/**
 * What one part of the work takes when it has the machine for itself. Nothing that reads, compresses and writes can be
 * quicker than the slowest of them.
 */

// Without O_DIRECT, where a file system has none, the page cache has been emptied before.
const READ_ONE = 'dd if="$FILE" of=/dev/null bs=4M $DIRECT status=none';
const READ_FOUR = `quarter=$(((BYTES / 4194304 + 4) / 4))
for part in 0 1 2 3; do
  dd if="$FILE" of=/dev/null bs=4M skip=$((part * quarter)) count=$quarter $DIRECT status=none &
  readers="$readers $!"
done
for reader in $readers; do wait $reader || exit; done; true`;

const WRITE_ONE =
  'dd if="$FILE" of="$OUT" bs=4M count="$BYTES" iflag=count_bytes,fullblock $DIRECT_OUT conv=fsync status=none';
// Into room that is allocated before, where the file system can: a file that grows takes one write at a time.
const WRITE_FOUR = `fallocate -l "$BYTES" "$OUT" 2>/dev/null || :
quarter=$(((BYTES / 4194304 + 4) / 4))
for part in 0 1 2 3; do
  dd if="$FILE" of="$OUT" bs=4M skip=$((part * quarter)) seek=$((part * quarter)) count=$quarter iflag=fullblock $DIRECT_OUT conv=notrunc,fsync status=none &
  writers="$writers $!"
done
for writer in $writers; do wait $writer || exit; done; true`;

export const WAYS = ['one at a time', 'four at a time'];

/** @returns seconds for each of WAYS; `prepare` is called before each */
export async function readAlone(file, bytes, place, prepare) {
  const env = { FILE: file, BYTES: String(bytes), DIRECT: place.direct };
  return inBothWays('read the input alone', [READ_ONE, READ_FOUR], env, place, prepare);
}

/**
 * Writes the first bytes of a file, out of the page cache, to a new one: real data, because some storage has zeros for
 * free.
 */
export async function writeAlone(file, bytes, out, place, prepare) {
  const env = { FILE: file, BYTES: String(bytes), OUT: out, DIRECT_OUT: place.direct === '' ? '' : 'oflag=direct' };
  return inBothWays('write the output alone', [WRITE_ONE, WRITE_FOUR], env, place, async () => {
    await prepare();
    await timeAlone('read what will be written', 'head -c "$BYTES" -- "$FILE" >/dev/null', env, place);
  });
}

async function inBothWays(what, scripts, env, place, prepare) {
  const seconds = {};
  for (const [index, way] of WAYS.entries()) {
    await prepare();
    seconds[way] = await timeAlone(what, scripts[index], env, place);
  }
  return seconds;
}

/** What a file really takes on its file system: holes of a restored disk were not written. */
export async function allocatedBytes(file) {
  const { blocks, size } = await stat(file);
  return Math.min(size, blocks * 512);
}
