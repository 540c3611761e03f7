import { constants, readdirSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { bindLibc } from './library.js';

/**
 * The system calls that Node does not offer, for Linux on x86-64 and arm64. Offsets and lengths are bytes, up to 2^53.
 * A failure is thrown as Node throws its own: `code` ('EAGAIN'), `errno` (negative), `syscall`.
 */

/** Both architectures use the generic numbers of linux/fs.h for these. */
const BLKRRPART = 0x125f;
const BLKFLSBUF = 0x1261;
const BLKSSZGET = 0x1268;
const BLKZEROOUT = 0x127f;
const BLKGETSIZE64 = 0x80081272;

const LOCK_EX_NB = 2 | 4;
const POSIX_FADV_DONTNEED = 4;
const SYNC_WAIT_BEFORE = 1;
const SYNC_WRITE = 2;
const SYNC_WAIT_AFTER = 4;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;
const F_GETFL = 3;
const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;
const MADV_HUGEPAGE = 14;
const CLOCK_THREAD_CPUTIME_ID = 3;

const IOPRIO_SET: Readonly<Record<string, number>> = { x64: 251, arm64: 30 };
const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_SHIFT = 13;
const IOPRIO_CLASS_BEST_EFFORT = 2;
const IOPRIO_CLASS_IDLE = 3;

const libc = bindLibc(({ func, address, errno }) => ({
  errno,
  address,
  flock: func('int flock(int fd, int operation)'),
  posix_fadvise: func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)'),
  sync_file_range: func('int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)'),
  lseek: func('int64_t lseek(int fd, int64_t offset, int whence)'),
  fallocate: func('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
  // Variadic in C. Linux passes such arguments as it does fixed ones, and koffi calls only those asynchronously.
  ioctl: func('int ioctl(int fd, unsigned long request, void *argument)'),
  // Given as an array, the two numbers live in koffi's memory until an asynchronous call is over.
  ioctlRange: func('ioctl', 'int', ['int', 'unsigned long', 'uint64_t *']),
  renameat2: func('int renameat2(int fromDir, const char *from, int toDir, const char *to, unsigned int flags)'),
  fcntl: func('int fcntl(int fd, int command, long argument)'),
  _exit: func('void _exit(int status)'),
  madvise: func('int madvise(uint64_t address, size_t length, int advice)'),
  clock_gettime: func('int clock_gettime(int clock, int64_t *time)'),
  syscall: func('long syscall(long number, long first, long second, long third)'),
}));

/** What errno says, as Node says it. */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const [code, words] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
  return Object.assign(new Error(`${code}: ${words}, ${syscall}`), { code, errno: -errno, syscall });
}

function codeOf(errno: number): string | undefined {
  return getSystemErrorMap().get(-errno)?.[0];
}

/** @throws what errno says, unless `result` is 0 or more */
function check(result: number, syscall: string): number {
  if (result < 0) throw systemError(libc().errno(), syscall);
  return result;
}

/** Runs `start` off the main thread and again whenever a signal interrupts it. Resolves with 0 or the errno. */
export function runAside(start: (done: (failure: unknown, result: number) => void) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const attempt = (): void =>
      start((failure, result) => {
        if (failure) return reject(failure);
        if (result >= 0) return resolve(0);
        // koffi puts the errno of the other thread here for the time of this callback.
        const errno = libc().errno();
        if (codeOf(errno) === 'EINTR') return attempt();
        resolve(errno);
      });
    attempt();
  });
}

/** Takes the lock of an open file for as long as any copy of the descriptor is open; false when somebody else has it. */
export function flockExclusive(fd: number): boolean {
  const { flock, errno } = libc();
  while (flock(fd, LOCK_EX_NB) < 0) {
    const failure = errno();
    if (codeOf(failure) === 'EAGAIN') return false;
    if (codeOf(failure) !== 'EINTR') throw systemError(failure, 'flock');
  }
  return true;
}

/** Drops clean pages from the page cache. A `length` of 0 means up to the end. */
export function dropCache(fd: number, offset: number, length: number): void {
  const errno: number = libc().posix_fadvise(fd, offset, length, POSIX_FADV_DONTNEED);
  if (errno !== 0) throw systemError(errno, 'posix_fadvise');
}

/** Starts writing dirty pages out; does not wait for them, but may wait for room in the device's queue. */
export function startWriteback(fd: number, offset: number, length: number): void {
  check(libc().sync_file_range(fd, offset, length, SYNC_WRITE), 'sync_file_range');
}

/** Writes dirty pages out and waits for them, so that `dropCache` finds them clean. This is no fsync. */
export async function finishWriteback(fd: number, offset: number, length: number): Promise<void> {
  const flags = SYNC_WAIT_BEFORE | SYNC_WRITE | SYNC_WAIT_AFTER;
  const errno = await runAside((done) => libc().sync_file_range.async(fd, offset, length, flags, done));
  if (errno !== 0) throw systemError(errno, 'sync_file_range');
}

/** Where the first data at or after `offset` begins; undefined if only a hole follows. @throws EINVAL where unsupported */
export function nextData(fd: number, offset: number): number | undefined {
  return seek(fd, offset, SEEK_DATA);
}

/** Where the first hole at or after `offset` begins, a file's end being one; undefined if `offset` is at or past it. */
export function nextHole(fd: number, offset: number): number | undefined {
  return seek(fd, offset, SEEK_HOLE);
}

function seek(fd: number, offset: number, whence: number): number | undefined {
  const found: number = libc().lseek(fd, offset, whence);
  if (found >= 0) return found;
  const errno = libc().errno();
  if (codeOf(errno) === 'ENXIO') return undefined;
  throw systemError(errno, 'lseek');
}

export function blockDeviceSize(fd: number): number {
  const sizeBytes = new BigUint64Array(1);
  check(libc().ioctl(fd, BLKGETSIZE64, sizeBytes), 'ioctl(BLKGETSIZE64)');
  return Number(sizeBytes[0]);
}

export function logicalSectorBytes(fd: number): number {
  const sectorBytes = new Int32Array(1);
  check(libc().ioctl(fd, BLKSSZGET, sectorBytes), 'ioctl(BLKSSZGET)');
  return Number(sectorBytes[0]);
}

/** Makes a range of a block device read as zeros, by the device itself or by writing them. Whole logical sectors only. */
export async function zeroOut(fd: number, offset: number, length: number): Promise<void> {
  const errno = await runAside((done) => libc().ioctlRange.async(fd, BLKZEROOUT, [offset, length], done));
  if (errno !== 0) throw systemError(errno, 'ioctl(BLKZEROOUT)');
}

/**
 * Makes a range of a file or block device read as zeros and gives its space back.
 * @returns false when it cannot be done this way and nothing was changed: write zeros then. EINVAL is among the reasons,
 *   for a device says so about a range that is not made of its sectors, and old file systems about any.
 */
export async function punchHole(fd: number, offset: number, length: number): Promise<boolean> {
  if (!(length > 0)) throw new RangeError(`A hole of ${length} bytes at offset ${offset}`);
  const mode = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
  const errno = await runAside((done) => libc().fallocate.async(fd, mode, offset, length, done));
  if (errno === 0) return true;
  switch (codeOf(errno)) {
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
    case 'ENOSYS':
    case 'ENODEV':
    case 'EINVAL':
      return false;
  }
  throw systemError(errno, 'fallocate');
}

/** Gives a range of a file its room on the disk, unwritten. Best effort: false where the file system has no such thing. */
export function allocate(fd: number, offset: number, length: number): boolean {
  return libc().fallocate(fd, FALLOC_KEEP_SIZE, offset, length) === 0;
}

/** Writes a block device's dirty pages out and forgets its whole page cache, so that the next read asks the disk. */
export function flushDeviceCache(fd: number): void {
  check(libc().ioctl(fd, BLKFLSBUF, null), 'ioctl(BLKFLSBUF)');
}

/** Best effort: false if the kernel keeps its old view of the partitions (one is in use, or the device has none). */
export function rereadPartitions(fd: number): boolean {
  return libc().ioctl(fd, BLKRRPART, null) === 0;
}

/** False if `to` exists. 'unsupported' if this file system cannot promise that: NFS, and FUSE in part. */
export function renameNoReplace(from: string, to: string): boolean | 'unsupported' {
  if (libc().renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) === 0) return true;
  const errno = libc().errno();
  switch (codeOf(errno)) {
    case 'EEXIST':
      return false;
    case 'EINVAL':
    case 'ENOSYS':
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
      return 'unsupported';
  }
  throw systemError(errno, 'renameat2');
}

/**
 * Sets the I/O priority of every thread of this process, for the call reaches only the one it names; threads that come
 * later inherit it.
 * @param priority as vzdump's `ionice`: 0 (first) to 7 (last) of the best-effort class, 8 for the idle class
 */
export function setIoPriority(priority: number): void {
  if (!Number.isInteger(priority) || priority < 0 || priority > 8)
    throw new RangeError(`An I/O priority is 0 to 8, not ${priority}`);
  const number = IOPRIO_SET[process.arch];
  if (number === undefined) throw new Error(`The number of ioprio_set on ${process.arch} is not known`);
  const value =
    priority === 8
      ? IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT
      : (IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT) | priority;
  for (const thread of readdirSync('/proc/self/task')) {
    if (libc().syscall(number, IOPRIO_WHO_PROCESS, Number(thread), value) === 0) continue;
    const errno = libc().errno();
    if (codeOf(errno) !== 'ESRCH') throw systemError(errno, 'ioprio_set');
  }
}

/** Processor time that the calling thread has had, in ms: not counting what it waited for a processor. */
export function threadCpuMs(): number {
  const time = new BigInt64Array(2);
  check(libc().clock_gettime(CLOCK_THREAD_CPUTIME_ID, time), 'clock_gettime');
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}

/**
 * Makes writes to a pipe or terminal wait instead of failing with EAGAIN: Node makes stdout non-blocking as soon as
 * `process.stdout` is looked at.
 */
export function makeBlocking(fd: number): void {
  const flags = check(libc().fcntl(fd, F_GETFL, 0), 'fcntl(F_GETFL)');
  if ((flags & constants.O_NONBLOCK) !== 0)
    check(libc().fcntl(fd, F_SETFL, flags & ~constants.O_NONBLOCK), 'fcntl(F_SETFL)');
}

/** Best effort: false for what is no pipe, and where the system grants no more. */
export function enlargePipe(fd: number, bytes: number): boolean {
  return libc().fcntl(fd, F_SETPIPE_SZ, bytes) >= 0;
}

/**
 * Ends the process without asking anybody: `process.exit` waits for reads of a pipe that never come and for workers that are
 * inside a native call. Whatever is to be written must have been written.
 */
export function exitNow(status: number): never {
  libc()._exit(status);
  throw new Error('_exit returned');
}

/** Asks for huge pages: fewer page faults, and O_DIRECT has fewer pages to pin. Where there are none, nothing happens. */
export function adviseHugePages(bytes: Buffer): void {
  libc().madvise(libc().address(bytes), bytes.length, MADV_HUGEPAGE);
}

/** Memory whose address suits O_DIRECT, whose length is as given. */
export function alignedBuffer(lengthBytes: number, alignmentBytes = 4096): Buffer {
  const roomy = Buffer.allocUnsafeSlow(lengthBytes + alignmentBytes);
  const past = Number(libc().address(roomy) % BigInt(alignmentBytes));
  const start = (alignmentBytes - past) % alignmentBytes;
  return roomy.subarray(start, start + lengthBytes);
}
