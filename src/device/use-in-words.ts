import type { InUse } from './in-use.js';
import type { HoldingProcess } from './processes.js';

export interface UseInWords {
  /** One phrase each: "/dev/sda1 is mounted on /boot/efi". */
  uses: string[];
  /** What to type, in the order that works: what lies on top goes first. */
  release: string[];
}

export function useInWords(use: InUse, processes: readonly HoldingProcess[]): UseInWords {
  const uses = [
    ...use.mounts.map(({ device, mountpoint }) => `${device} is mounted on ${mountpoint}`),
    ...use.swaps.map(({ device }) => `${device} is in use as swap`),
    ...use.pools.map(({ device, pool }) => `${device} belongs to the imported ZFS pool ${pool}`),
    ...use.holders.map(({ device, holder }) => `${holder} is built on ${device}`),
    ...processes.map(({ pid, name }) => `process ${pid} (${name}) has it open`),
  ];
  const release = [
    ...processes.map(({ pid, name }) => `stop process ${pid} (${name})`),
    ...use.mounts.map(({ mountpoint }) => `umount ${mountpoint}`).reverse(),
    ...use.swaps.map(({ device }) => `swapoff ${device}`),
    ...use.pools.map(({ pool }) => `zpool export ${pool}`),
    ...use.holders.map(({ release }) => release).reverse(),
  ];
  return { uses, release: [...new Set(release)] };
}
