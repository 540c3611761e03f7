import { closeSync, constants, openSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { runAside, systemError } from './libc.js';
import { bindLibc } from './library.js';

/**
 * btrfs's own calls, by descriptors only: `btrfs subvolume delete` wants a path in a mount that others see. Numbers are of
 * linux/btrfs.h and linux/mount.h, and the same on x86-64 and arm64.
 */

const SNAP_CREATE_V2 = 0x50009417;
const SNAP_DESTROY = 0x5000940f;
const SCRUB_PROGRESS = 0xc400941d;
const SCRUB_CANCEL = 0x941c;
const ARGUMENTS_BYTES = 4096;
const SCRUB_ARGUMENTS_BYTES = 1024;
const READ_ONLY = 1n << 1n;
const CREATE_NAME_AT = 56;
const DESTROY_NAME_AT = 8;
const LONGEST_NAME_BYTES = 255;

const FSOPEN = 430;
const FSCONFIG = 431;
const FSMOUNT = 432;
const CLOSE_ON_EXEC = 1;
const SET_STRING = 1;
const CREATE = 6;
const NOSUID_NODEV_NOEXEC = 2 | 4 | 8;

const calls = bindLibc(({ func, errno }) => ({
  errno,
  ioctl: func('int ioctl(int fd, unsigned long request, void *argument)'),
  fsopen: func('syscall', 'long', ['long', 'const char *', 'unsigned int']),
  fsconfig: func('syscall', 'long', ['long', 'int', 'unsigned int', 'const char *', 'const char *', 'int']),
  fsmount: func('syscall', 'long', ['long', 'int', 'unsigned int', 'unsigned int']),
}));

function check(result: number, call: string): number {
  if (result < 0) throw systemError(calls().errno(), call);
  return result;
}

/**
 * Opens the directory of a subvolume by its number, wherever it lies, by a mount that nobody else sees and that is gone
 * with the descriptor. The file system must be mounted, for writing: this would make a read-only one writable.
 * @throws what errno says
 */
export function openSubvolume(device: string, id: number): number {
  const { fsopen, fsconfig, fsmount } = calls();
  const opened: number[] = [];
  try {
    const context = check(fsopen(FSOPEN, 'btrfs', CLOSE_ON_EXEC), 'fsopen');
    opened.push(context);
    check(fsconfig(FSCONFIG, context, SET_STRING, 'source', device, 0), 'fsconfig(source)');
    check(fsconfig(FSCONFIG, context, SET_STRING, 'subvolid', String(id), 0), 'fsconfig(subvolid)');
    check(fsconfig(FSCONFIG, context, CREATE, null, null, 0), 'fsconfig(CREATE)');
    const mount = check(fsmount(FSMOUNT, context, CLOSE_ON_EXEC, NOSUID_NODEV_NOEXEC), 'fsmount');
    opened.push(mount);
    // What fsmount gives is O_PATH, which takes no ioctl.
    return openSync(`/proc/self/fd/${mount}`, constants.O_RDONLY | constants.O_DIRECTORY);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Makes a read-only snapshot of a subvolume, and commits it. @throws what errno says */
export async function createSnapshot(directoryFd: number, name: string, subvolumeFd: number): Promise<void> {
  const argument = Buffer.alloc(ARGUMENTS_BYTES);
  argument.writeBigInt64LE(BigInt(subvolumeFd), 0);
  argument.writeBigUInt64LE(READ_ONLY, 16);
  writeName(argument, name, CREATE_NAME_AT);
  await ioctlAside(directoryFd, SNAP_CREATE_V2, argument, 'ioctl(BTRFS_IOC_SNAP_CREATE_V2)');
}

/** Removes a subvolume from its directory; btrfs clears it away later. @throws what errno says */
export async function destroySubvolume(directoryFd: number, name: string): Promise<void> {
  const argument = Buffer.alloc(ARGUMENTS_BYTES);
  writeName(argument, name, DESTROY_NAME_AT);
  await ioctlAside(directoryFd, SNAP_DESTROY, argument, 'ioctl(BTRFS_IOC_SNAP_DESTROY)');
}

function writeName(argument: Buffer, name: string, at: number): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > LONGEST_NAME_BYTES || /[/\0]/.test(name)) throw new RangeError(`No such name: "${name}"`);
  argument.write(name, at);
}

async function ioctlAside(fd: number, request: number, argument: Buffer, call: string): Promise<void> {
  const errno = await runAside((done) => calls().ioctl.async(fd, request, argument, done));
  if (errno !== 0) throw systemError(errno, call);
}

/** Whether a scrub of a device of this file system is running. @throws what errno says */
export function isScrubbing(fd: number, deviceId: number): boolean {
  const argument = Buffer.alloc(SCRUB_ARGUMENTS_BYTES);
  argument.writeBigUInt64LE(BigInt(deviceId), 0);
  if (calls().ioctl(fd, SCRUB_PROGRESS, argument) === 0) return true;
  const errno = calls().errno();
  if (getSystemErrorMap().get(-errno)?.[0] === 'ENOTCONN') return false;
  throw systemError(errno, 'ioctl(BTRFS_IOC_SCRUB_PROGRESS)');
}

/** Stops a scrub, which `btrfs scrub resume` goes on with. False if none runs. */
export function cancelScrub(fd: number): boolean {
  return calls().ioctl(fd, SCRUB_CANCEL, null) === 0;
}
