import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { execa } from 'execa';
import koffi from 'koffi';
import {
  alignedBuffer,
  blockDeviceSize,
  dropCache,
  finishWriteback,
  flockExclusive,
  flushDeviceCache,
  logicalSectorBytes,
  nextData,
  nextHole,
  punchHole,
  renameNoReplace,
  rereadPartitions,
  setIoPriority,
  startWriteback,
  zeroOut,
} from '../../src/native/libc.js';
import { attachLoop, holding, noLoops } from '../device/loop.js';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-libc-'));
after(() => rmSync(directory, { recursive: true }));

const BAD_FD = 99_999;

test('a failure has the code, the number and the call, as those of Node have', async () => {
  const expected = { code: 'EBADF', errno: -9 };
  assert.throws(() => flockExclusive(BAD_FD), {
    ...expected,
    syscall: 'flock',
    message: /^EBADF: bad file descriptor/,
  });
  assert.throws(() => dropCache(BAD_FD, 0, 0), { ...expected, syscall: 'posix_fadvise' });
  assert.throws(() => startWriteback(BAD_FD, 0, 0), { ...expected, syscall: 'sync_file_range' });
  assert.throws(() => nextData(BAD_FD, 0), { ...expected, syscall: 'lseek' });
  assert.throws(() => blockDeviceSize(BAD_FD), expected);
  await assert.rejects(finishWriteback(BAD_FD, 0, 0), { ...expected, syscall: 'sync_file_range' });
  await assert.rejects(zeroOut(BAD_FD, 0, 512), expected);
  await assert.rejects(punchHole(BAD_FD, 0, 512), { ...expected, syscall: 'fallocate' });
});

test('koffi is not loaded before the first call', async () => {
  const module = new URL('../../src/native/libc.js', import.meta.url).href;
  const script = `await import(${JSON.stringify(module)}); console.log(process.report.getReport().sharedObjects.some((o) => o.includes('koffi')))`;
  const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout, 'false');
});

test('a lock is taken once, and not while another process holds it', async () => {
  const path = join(directory, 'lock');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  const holder = await holding('exec flock --no-fork "$1" sh -c "echo ready; read _"', path);
  try {
    assert.equal(flockExclusive(fd), false);
  } finally {
    await holder.end();
  }
  assert.equal(flockExclusive(fd), true);
  const second = openSync(path, 'r');
  assert.equal(flockExclusive(second), false);
  closeSync(fd);
  assert.equal(flockExclusive(second), true);
  closeSync(second);
});

test('written pages leave the cache once they are written back', async (t) => {
  const path = join(directory, 'cached');
  const fd = openSync(path, 'w+');
  writeSync(fd, Buffer.alloc(4 << 20, 1));
  startWriteback(fd, 0, 4 << 20);
  await finishWriteback(fd, 0, 4 << 20);
  dropCache(fd, 0, 4 << 20);
  closeSync(fd);
  const fincore = await execa('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { reject: false });
  if (fincore.failed) return t.skip('there is no fincore to see it');
  const type = (await execa('stat', ['--file-system', '--format', '%T', directory])).stdout;
  if (type === 'tmpfs') return t.skip('tmpfs has nothing but cache');
  assert.ok(Number(fincore.stdout) < 1 << 20, `${fincore.stdout} bytes are still cached`);
});

test('data and holes are found above 4 GiB', () => {
  const fd = openSync(join(directory, 'sparse'), 'w+');
  const far = 6 * 2 ** 30;
  ftruncateSync(fd, far + (1 << 20));
  writeSync(fd, Buffer.alloc(65536, 1), 0, 65536, far);
  assert.equal(nextData(fd, 0), far);
  assert.equal(nextHole(fd, 0), 0);
  assert.equal(nextHole(fd, far), far + 65536);
  assert.equal(nextData(fd, far + 65536), undefined);
  assert.equal(nextHole(fd, far + (1 << 20)), undefined);
  closeSync(fd);
});

test('a hole in a file reads as zeros and gives its space back', async () => {
  const fd = openSync(join(directory, 'holed'), 'w+');
  writeSync(fd, Buffer.alloc(1 << 20, 1));
  const before = fstatSync(fd).blocks;
  assert.equal(await punchHole(fd, 65536, 131072), true);
  assert.equal(fstatSync(fd).size, 1 << 20);
  assert.ok(fstatSync(fd).blocks < before);
  const bytes = Buffer.alloc(1 << 20);
  readSync(fd, bytes, 0, bytes.length, 0);
  assert.equal(bytes[65535], 1);
  assert.ok(bytes.subarray(65536, 65536 + 131072).every((byte) => byte === 0));
  assert.equal(bytes[65536 + 131072], 1);
  await assert.rejects(punchHole(fd, 0, 0), RangeError);
  closeSync(fd);
});

test('where a hole cannot be made the answer is false', async () => {
  const fd = openSync('/proc/self/comm', 'r+');
  assert.equal(await punchHole(fd, 0, 4096), false);
  closeSync(fd);
});

test('a file is renamed only where none is', () => {
  const [from, to] = [join(directory, 'from'), join(directory, 'to, ü')];
  writeFileSync(from, 'new');
  writeFileSync(to, 'old');
  assert.equal(renameNoReplace(from, to), false);
  assert.equal(readFileSync(to, 'utf8'), 'old');
  rmSync(to);
  assert.equal(renameNoReplace(from, to), true);
  assert.equal(readFileSync(to, 'utf8'), 'new');
  assert.equal(existsSync(from), false);
  assert.throws(() => renameNoReplace(from, to), { code: 'ENOENT', syscall: 'renameat2' });
});

test('buffers are aligned as asked', () => {
  for (const alignmentBytes of [512, 4096, 65536]) {
    const bytes = alignedBuffer(5000, alignmentBytes);
    assert.equal(bytes.length, 5000);
    assert.equal(koffi.address(bytes) % BigInt(alignmentBytes), 0n);
  }
});

test('the I/O priority is set on every thread, and later ones inherit it', async (t) => {
  const ionice = async (thread: string): Promise<string> => (await execa('ionice', ['-p', thread])).stdout;
  const threads = (): string[] => readdirSync('/proc/self/task');
  const early = new Worker('setInterval(() => {}, 1000)', { eval: true });
  t.after(() => early.terminate());
  await new Promise((resolve) => early.once('online', resolve));
  assert.ok(threads().length > 5);
  setIoPriority(3);
  for (const thread of threads()) assert.equal(await ionice(thread), 'best-effort: prio 3');
  setIoPriority(8);
  const late = new Worker('setInterval(() => {}, 1000)', { eval: true });
  t.after(() => late.terminate());
  await new Promise((resolve) => late.once('online', resolve));
  for (const thread of threads()) assert.equal(await ionice(thread), 'idle');
  assert.throws(() => setIoPriority(9), RangeError);
  assert.throws(() => setIoPriority(1.5), RangeError);
});

test('a block device tells its size and sectors', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(5 * 2 ** 30, ['--sector-size', '4096']);
  t.after(loop.detach);
  const fd = openSync(loop.device, 'r');
  assert.equal(blockDeviceSize(fd), 5 * 2 ** 30);
  assert.equal(logicalSectorBytes(fd), 4096);
  flushDeviceCache(fd);
  assert.equal(typeof rereadPartitions(fd), 'boolean');
  closeSync(fd);
});

test('a file is no block device', () => {
  const fd = openSync(join(directory, 'plain'), 'w+');
  assert.throws(() => blockDeviceSize(fd), { code: 'ENOTTY', syscall: 'ioctl(BLKGETSIZE64)' });
  assert.equal(rereadPartitions(fd), false);
  closeSync(fd);
});

test('ranges of a block device are zeroed above 4 GiB and nothing beside them', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(5 * 2 ** 30);
  t.after(loop.detach);
  const fd = openSync(loop.device, 'r+');
  const start = 4 * 2 ** 30 + 4096;
  const bytes = Buffer.alloc(64 * 1024);
  for (const clear of [zeroOut, punchHole]) {
    writeSync(fd, Buffer.alloc(bytes.length, 1), 0, bytes.length, start);
    const answer = await clear(fd, start + 8192, 4096);
    assert.notEqual(answer, false);
    readSync(fd, bytes, 0, bytes.length, start);
    assert.ok(bytes.subarray(8192, 12288).every((byte) => byte === 0));
    assert.equal(bytes[8191], 1);
    assert.equal(bytes[12288], 1);
  }
  await assert.rejects(zeroOut(fd, 1, 512), { code: 'EINVAL' });
  assert.equal(await punchHole(fd, 1, 512), false);
  closeSync(fd);
});

test('many calls aside run at once', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(8 << 20);
  t.after(loop.detach);
  const fd = openSync(loop.device, 'r+');
  writeSync(fd, Buffer.alloc(8 << 20, 1));
  await Promise.all(Array.from({ length: 128 }, (_, i) => zeroOut(fd, i * 65536, 65536)));
  const bytes = Buffer.alloc(8 << 20);
  readSync(fd, bytes, 0, bytes.length, 0);
  assert.ok(bytes.every((byte) => byte === 0));
  closeSync(fd);
});
