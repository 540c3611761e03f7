import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSystem, LifeboatError } from '../error.js';
import { blockDeviceSize, logicalSectorBytes } from '../native/libc.js';
import { deviceNumber, type KernelName, kernelName, readAttribute } from './block-tree.js';
import { describeDevice } from './describe.js';
import { openDirect } from './direct.js';
import { mountedOn } from './in-use.js';
import { processesHolding } from './processes.js';
import { sizeInWords } from './sizes.js';
import { useInWords } from './use-in-words.js';

export interface TargetOptions {
  /** What the user gave as `--confirm`: the device's name, its path or the last part of it. */
  confirm: string | undefined;
  neededBytes: number;
  /** The source's logical sector size, where the image records it. */
  sectorBytes?: number | undefined;
  /** Takes a device with another sector size. Nothing else. */
  force?: boolean | undefined;
}

export interface Target {
  /** Opened for reading and writing, and claimed: nobody can mount the device until it is closed. */
  fd: number;
  /** The same with O_DIRECT; undefined where the device refuses that. */
  directFd: number | undefined;
  sizeBytes: number;
  logicalSectorBytes: number;
  name: KernelName;
  /** May be called more than once. */
  close(): void;
}

/**
 * Opens a block device to overwrite it, once every check has passed. Writes nothing.
 * @throws LifeboatError USAGE (no block device, not confirmed, other sectors), FAILED (in use, read-only), NO_SPACE
 */
export async function openTargetDevice(path: string, options: TargetOptions): Promise<Target> {
  const device = await findDevice(path);
  refuseUnconfirmed(device, options.confirm);
  await refuseInUse(device);
  if (readAttribute(device.name, 'ro') === '1')
    throw new LifeboatError('FAILED', `Cannot restore onto "${path}": the device is read-only`, {
      hint: `look for a write-protection switch; blockdev --setrw ${device.realPath} lifts the kernel's`,
    });
  const geometry = readGeometry(device);
  refuseTooSmall(path, geometry.sizeBytes, options.neededBytes);
  refuseOtherSectors(path, geometry.sectorBytes, options);
  return claim(device, geometry);
}

interface Device {
  path: string;
  realPath: string;
  rdev: number;
  name: KernelName;
}

interface Geometry {
  sizeBytes: number;
  sectorBytes: number;
}

async function findDevice(path: string): Promise<Device> {
  try {
    const realPath = await realpath(path);
    const stats = await stat(realPath);
    if (!stats.isBlockDevice())
      throw new LifeboatError('USAGE', `Cannot restore onto "${path}": it is not a block device`, {
        hint: 'lsblk -o NAME,SIZE,MODEL,MOUNTPOINTS lists the disks of this host',
      });
    const name = kernelName(deviceNumber(stats.rdev));
    if (name === undefined)
      throw new LifeboatError('FAILED', `Cannot restore onto "${path}": /sys does not tell who uses it`, {
        hint: 'mount sysfs on /sys; a container may not show this device',
      });
    return { path, realPath, rdev: stats.rdev, name };
  } catch (error) {
    throw fromSystem(error, 'open', path);
  }
}

function refuseUnconfirmed({ path, realPath, name }: Device, confirm: string | undefined): void {
  const accepted = [name, path, basename(path), realPath, basename(realPath)];
  if (confirm !== undefined && accepted.includes(confirm)) return;
  const { uses } = useInWords(mountedOn(name), []);
  const state = uses.length === 0 ? 'Nothing of it is in use' : `Now ${uses.join(', ')}`;
  const wrong = confirm === undefined ? '' : `"--confirm ${confirm}" is another device. `;
  throw new LifeboatError(
    'USAGE',
    `${wrong}Restoring onto "${path}" destroys all that is on ${describeDevice(name)}. ${state}`,
    { hint: `if that is the device you mean, add --confirm ${name}` },
  );
}

/** udev, blkid and losetup look into every device for a moment. */
const LOOKS = 5;
const BETWEEN_LOOKS_MS = 250;

async function refuseInUse({ path, realPath, name }: Device): Promise<void> {
  const inUse = mountedOn(name);
  let holding = processesHolding(realPath);
  for (let look = 1; holding.length > 0 && look < LOOKS; look++) {
    await sleep(BETWEEN_LOOKS_MS);
    holding = processesHolding(realPath);
  }
  const { uses, release } = useInWords(inUse, holding);
  if (uses.length === 0) return;
  throw new LifeboatError('FAILED', `Cannot restore onto "${path}": ${uses.join('; ')}`, {
    hint: `first: ${release.join('; ')}`,
  });
}

function readGeometry({ path, realPath }: Device): Geometry {
  let fd: number | undefined;
  try {
    fd = openSync(realPath, constants.O_RDONLY);
    return { sizeBytes: blockDeviceSize(fd), sectorBytes: logicalSectorBytes(fd) };
  } catch (error) {
    throw fromSystem(error, 'open', path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function refuseTooSmall(path: string, sizeBytes: number, neededBytes: number): void {
  if (sizeBytes >= neededBytes) return;
  throw new LifeboatError(
    'NO_SPACE',
    `Cannot restore onto "${path}": it has ${sizeInWords(sizeBytes)}, the image needs ${sizeInWords(neededBytes)}`,
    { hint: 'choose a device at least as large as the one that was imaged' },
  );
}

function refuseOtherSectors(path: string, actualBytes: number, { sectorBytes, force }: TargetOptions): void {
  if (sectorBytes === undefined || sectorBytes === actualBytes || force) return;
  throw new LifeboatError(
    'USAGE',
    `Cannot restore onto "${path}": its logical sectors have ${actualBytes} bytes, those of the source had ${sectorBytes}, so no partition would be found`,
    { hint: 'choose a device with the same sectors, or add --force and write a new partition table afterwards' },
  );
}

function claim({ path, realPath, rdev, name }: Device, { sizeBytes, sectorBytes }: Geometry): Target {
  const opened: number[] = [];
  const close = (): void => {
    for (const fd of opened.splice(0)) closeSync(fd);
  };
  try {
    const fd = openSync(realPath, constants.O_RDWR | constants.O_EXCL);
    opened.push(fd);
    if (fstatSync(fd).rdev !== rdev || blockDeviceSize(fd) !== sizeBytes)
      throw new LifeboatError('FAILED', `Cannot restore onto "${path}": it became another device meanwhile`, {
        hint: 'look at lsblk, then run this again',
      });
    // A second claim would meet the first one.
    const directFd = openDirect(realPath, constants.O_RDWR);
    if (directFd !== undefined) opened.push(directFd);
    return { fd, directFd, sizeBytes, logicalSectorBytes: sectorBytes, name, close };
  } catch (error) {
    close();
    throw openingFailure(error, path);
  }
}

function openingFailure(error: unknown, path: string): LifeboatError {
  if ((error as NodeJS.ErrnoException).code === 'EBUSY')
    return new LifeboatError('FAILED', `Cannot restore onto "${path}": something in the kernel has claimed it`, {
      hint: 'lsblk, swapon --show, pvs, cat /proc/mdstat and zpool status show what; a mount may be in a container',
      cause: error,
    });
  return fromSystem(error, 'open', path);
}
