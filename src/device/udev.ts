import { existsSync, readFileSync } from 'node:fs';
import { type KernelName, type KernelRoots, numberOf } from './block-tree.js';

/**
 * What udev found out about a device when it came: serial number, type of partition, label. The kernel itself tells
 * none of these for all kinds of disks.
 * @param key as `udevadm info` shows it: "ID_SERIAL_SHORT"
 * @returns undefined if udev knows no such thing, or does not run here
 */
export function udevProperty(name: KernelName, key: string, roots: KernelRoots): string | undefined {
  const number = numberOf(name, roots);
  if (number === undefined) return undefined;
  const path = `${roots.run}/udev/data/b${number}`;
  if (!existsSync(path)) return undefined;
  const prefix = `E:${key}=`;
  return readFileSync(path, 'utf8')
    .split('\n')
    .find((line) => line.startsWith(prefix))
    ?.slice(prefix.length);
}
