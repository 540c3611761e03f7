import { BenchError, STATUS } from './options.mjs';
import { shell } from './shell.mjs';

/** Without these nothing can be measured; "time" is GNU's program, not the shell's word. */
const NEEDED = ['taskset', 'time', 'dd', 'cmp', 'sync', 'findmnt'];
const PARTCLONE_KNOWS = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'vfat'];

/** @throws BenchError with what to install */
export async function requireTools() {
  const missing = [];
  for (const tool of NEEDED) if (!(await isThere(tool))) missing.push(tool);
  if (missing.length === 0) return;
  const message = `${missing.join(', ')} not found: apt install time util-linux coreutils diffutils`;
  throw new BenchError(STATUS.failed, message);
}

/**
 * Leaves out rows whose tool is not installed, or does not fit this disk. That is no failure, but it is said.
 * @param {string | undefined} fileSystem on the disk
 */
export async function withoutMissing(comparisons, fileSystem) {
  const leftOut = [];
  const kept = [];
  for (const comparison of comparisons) {
    const rows = [];
    for (const row of comparison.rows) {
      const reason = await whyNot(row, fileSystem);
      if (reason === undefined) rows.push(row);
      else leftOut.push(`${comparison.name}: ${row.name}, for ${reason}`);
    }
    if (rows.length > 0) kept.push({ ...comparison, rows });
  }
  return { comparisons: kept, leftOut };
}

async function whyNot({ tools, needsFileSystem }, fileSystem) {
  if (needsFileSystem && !PARTCLONE_KNOWS.includes(fileSystem))
    return 'the disk is no file system that partclone knows';
  for (const tool of tools) {
    const program = tool === 'partclone' ? `partclone.${fileSystem}` : tool;
    if (!(await isThere(program))) return `${program} is not installed`;
  }
  return undefined;
}

async function isThere(program) {
  return (await shell('type -P "$PROGRAM" >/dev/null', { PROGRAM: program })).ok;
}
