import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mustShell } from './shell.mjs';

const MIB = 1024 ** 2;
const FILL = 0.8;
/** A file takes its last block whole. */
const BLOCK_BYTES = 4096;

/**
 * An ext4 file system with this machine's own programs, libraries and documents, and some room that is free. It has no
 * holes, as a real disk has none: lifeboat would not even read them.
 * @returns {Promise<{ file: string, facts: object }>}
 */
export async function makeDisk(directory, sizeMib) {
  const tree = path.join(directory, 'tree');
  const file = path.join(directory, 'disk.img');
  const copies = chooseFiles(await listFiles(), sizeMib * MIB * FILL);
  for (const [number, names] of copies.entries()) {
    await mkdir(path.join(tree, String(number + 1)), { recursive: true });
    await writeFile(path.join(directory, 'names'), names.map((name) => `${name}\0`).join(''));
    // A file that cannot be read, or is gone meanwhile, is one file less.
    await mustShell('copy this machine’s files', 'cd / && cpio -pdm0 --quiet "$TREE" <"$NAMES" || :', {
      TREE: path.join(tree, String(number + 1)),
      NAMES: path.join(directory, 'names'),
    });
  }
  const made = await mustShell('make the disk', MAKE, { TREE: tree, DISK: file, SIZE_MIB: String(sizeMib) });
  await rm(path.join(directory, 'names'));
  const usedShare = Number(made.trim());
  const how =
    `ext4 of ${sizeMib} MiB, ${Math.round(usedShare * 100)} % in use, without holes; files from /usr/bin, /usr/lib and ` +
    `/usr/share of the machine${copies.length > 1 ? `, ${copies.length} copies of them in directories of their own` : ''}`;
  return { file, facts: { name: 'generated disk', fileSystem: 'ext4', usedShare, how } };
}

const MAKE = `set -e
mke2fs -q -F -t ext4 -m 0 -N "$(($(find "$TREE" | wc -l) + 1000))" -d "$TREE" "$DISK.sparse" "\${SIZE_MIB}M" >/dev/null
rm -rf "$TREE"
cp --sparse=never "$DISK.sparse" "$DISK"
rm "$DISK.sparse"
sync "$DISK"
dumpe2fs -h "$DISK" 2>/dev/null | awk -F: '/^Block count/ {all = $2} /^Free blocks/ {free = $2} END {print 1 - free / all}'`;

/** All that may be copied, in the order of their names: `{ bytes, name }`. */
async function listFiles() {
  const listed = await mustShell(
    'list this machine’s files',
    `cd / && find usr/bin usr/lib usr/share -xdev -type f -readable -size -40M -printf '%s\\t%p\\0' || :`,
    {},
  );
  return listed
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => ({ bytes: Number(line.slice(0, line.indexOf('\t'))), name: line.slice(line.indexOf('\t') + 1) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Files for so many bytes, taken evenly from the whole list, so that a small disk holds the same mixture as a large one. A
 * list that is too short is taken again.
 * @returns {string[][]} names for each copy of the list
 */
export function chooseFiles(files, wantedBytes) {
  const costOf = ({ bytes }) => Math.ceil((bytes + 1) / BLOCK_BYTES) * BLOCK_BYTES;
  const allBytes = files.reduce((sum, file) => sum + costOf(file), 0);
  if (allBytes === 0) throw new Error('There are no files in /usr to make a disk of: name a DISK');
  const copies = [];
  for (let left = wantedBytes; left > BLOCK_BYTES; left -= allBytes) {
    const share = Math.min(1, left / allBytes);
    let seenBytes = 0;
    let takenBytes = 0;
    const names = [];
    for (const file of files) {
      const cost = costOf(file);
      seenBytes += cost;
      // Half of a file ahead at most; the sum of all never goes over what is wanted.
      if (takenBytes + cost / 2 > seenBytes * share || takenBytes + cost > left) continue;
      takenBytes += cost;
      names.push(file.name);
    }
    if (names.length === 0) break;
    copies.push(names);
  }
  return copies;
}
