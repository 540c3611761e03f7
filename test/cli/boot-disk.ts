import { closeSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { attachLoop, type Loop } from '../device/loop.js';
import { MIB, noise } from './program.js';

export const DISK_BYTES = 256 * MIB;
/** What stands where nothing of the host is: in unused blocks, and in swap behind its header. */
export const FORGOTTEN = 'words that no image may hold';
/** Swap and the root file system, behind an ESP that is large enough for FAT32; in bytes. */
export const SWAP_AT = 41 * MIB;
export const ROOT_AT = 73 * MIB;

/** A loop device that looks like a host's disk: GPT, ESP, swap, ext4, and a free end; nothing of it is mounted. */
export async function makeBootDisk(): Promise<Loop & { files: Map<string, Buffer> }> {
  const loop = await attachLoop(DISK_BYTES);
  try {
    const { device, directory, file } = loop;
    const fd = openSync(file, 'r+');
    const words = Buffer.alloc(MIB, `${FORGOTTEN}\n`);
    const forgotten = [SWAP_AT + MIB, SWAP_AT + 20 * MIB, ROOT_AT + 140 * MIB, DISK_BYTES - 3 * MIB];
    for (const at of forgotten) writeSync(fd, words, 0, MIB, at);
    closeSync(fd);
    const partitions = ['-n1:2048:+40M', '-t1:EF00', '-n2:0:+32M', '-t2:8200', '-n3:0:+150M', '-t3:8300'];
    await execa('sgdisk', [...partitions, device]);
    await execa('partx', ['--add', device], { reject: false });
    for (let tries = 0; !existsSync(`${device}p3`); tries++) {
      if (tries > 50) throw new Error(`${device}p3 does not appear`);
      await sleep(100);
    }
    const tree = join(directory, 'tree');
    const files = new Map([
      ['etc/hostname', Buffer.from('pve1\n')],
      ['var/lib/data', noise(20 * MIB)],
    ]);
    for (const [path, bytes] of files) {
      mkdirSync(join(tree, path, '..'), { recursive: true });
      writeFileSync(join(tree, path), bytes);
    }
    await execa('mkfs.vfat', ['-F', '32', '-s', '1', `${device}p1`]);
    await execa('mcopy', ['-i', `${device}p1`, join(tree, 'etc/hostname'), '::/LOADER.EFI']);
    await execa('mkswap', [`${device}p2`]);
    await execa('mke2fs', [
      '-q',
      '-t',
      'ext4',
      '-E',
      'nodiscard',
      '-b',
      '4096',
      '-N',
      '512',
      '-d',
      tree,
      `${device}p3`,
    ]);
    await execa('blockdev', ['--flushbufs', device]);
    return { ...loop, files };
  } catch (error) {
    await loop.detach();
    throw error;
  }
}
