import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { openTargetDevice, type TargetOptions } from '../../src/device/target.js';
import { alignedBuffer } from '../../src/native/libc.js';
import { attachLoop, holding, type Loop, noLoops } from './loop.js';

const SIZE_BYTES = 16 << 20;

async function device(t: TestContext, options: string[] = []): Promise<Loop> {
  const loop = await attachLoop(SIZE_BYTES, options);
  t.after(loop.detach);
  return loop;
}

function options(loop: Loop, more: Partial<TargetOptions> = {}): TargetOptions {
  return { confirm: basename(loop.device), neededBytes: SIZE_BYTES, sectorBytes: 512, ...more };
}

test('a file, a character device and a missing path are refused', async () => {
  const wanted: TargetOptions = { confirm: 'x', neededBytes: 1 };
  await assert.rejects(openTargetDevice('/etc/passwd', wanted), { code: 'USAGE', message: /not a block device/ });
  await assert.rejects(openTargetDevice('/dev/null', wanted), { code: 'USAGE', message: /not a block device/ });
  await assert.rejects(openTargetDevice('/dev/no-such-disk', wanted), { code: 'FAILED', message: /ENOENT/ });
});

test('a device that passes is opened, plain and direct, and claimed until it is closed', {
  skip: noLoops,
}, async (t) => {
  const loop = await device(t);
  const target = await openTargetDevice(loop.device, options(loop));
  try {
    assert.equal(target.name, basename(loop.device));
    assert.equal(target.sizeBytes, SIZE_BYTES);
    assert.equal(target.logicalSectorBytes, 512);
    writeSync(target.fd, Buffer.from('plain'), 0, 5, 0);
    assert.ok(target.directFd !== undefined);
    const block = alignedBuffer(4096).fill('direct');
    assert.equal(writeSync(target.directFd, block, 0, 4096, 4096), 4096);
    await assert.rejects(openTargetDevice(loop.device, options(loop)), { code: 'FAILED', message: /claimed/ });
  } finally {
    target.close();
  }
  target.close();
  const saved = readFileSync(loop.file);
  assert.equal(saved.toString('latin1', 0, 5), 'plain');
  assert.equal(saved.toString('latin1', 4096, 4102), 'direct');
  (await openTargetDevice(loop.device, options(loop))).close();
});

test('without the right --confirm it says what would be destroyed and what to add', { skip: noLoops }, async (t) => {
  const loop = await device(t);
  const name = basename(loop.device);
  await assert.rejects(openTargetDevice(loop.device, options(loop, { confirm: undefined })), {
    code: 'USAGE',
    message: /^Restoring onto .* destroys .*16\.0 MiB \(16777216 bytes\), no partitions\)\. Nothing of it is in use$/,
    hint: `if that is the device you mean, add --confirm ${name}`,
  });
  await assert.rejects(openTargetDevice(loop.device, options(loop, { confirm: 'sda' })), {
    code: 'USAGE',
    message: /^"--confirm sda" is another device/,
    hint: `if that is the device you mean, add --confirm ${name}`,
  });
  (await openTargetDevice(loop.device, options(loop, { confirm: loop.device }))).close();
});

test('a mounted device is refused with what to type, and its mount is told before it is confirmed', {
  skip: noLoops,
}, async (t) => {
  const loop = await attachLoop(SIZE_BYTES);
  const mountpoint = join(loop.directory, 'mounted here');
  t.after(loop.detach);
  mkdirSync(mountpoint);
  await execa('mkfs.ext4', ['-q', loop.device]);
  await execa('mount', [loop.device, mountpoint]);
  try {
    await assert.rejects(openTargetDevice(loop.device, options(loop)), {
      code: 'FAILED',
      message: new RegExp(`${loop.device} is mounted on ${mountpoint}`),
      hint: `first: umount ${mountpoint}`,
    });
    await assert.rejects(openTargetDevice(loop.device, options(loop, { confirm: undefined })), {
      code: 'USAGE',
      message: /Now .* is mounted on/,
    });
  } finally {
    await execa('umount', [mountpoint]);
  }
  (await openTargetDevice(loop.device, options(loop))).close();
});

test('a disk whose partition is mounted is refused', { skip: noLoops }, async (t) => {
  const loop = await attachLoop(SIZE_BYTES, ['--partscan']);
  t.after(loop.detach);
  await execa('sfdisk', ['--quiet', loop.device], { input: 'label: gpt\n,8M\n' });
  await execa('partx', ['--update', loop.device]);
  const partition = `${loop.device}p1`;
  if (!existsSync(partition)) return t.skip('partitions of loop devices get no nodes in this container');
  const mountpoint = join(loop.directory, 'mounted');
  mkdirSync(mountpoint);
  await execa('mkfs.ext4', ['-q', partition]);
  await execa('mount', [partition, mountpoint]);
  try {
    await assert.rejects(openTargetDevice(loop.device, options(loop)), {
      code: 'FAILED',
      message: new RegExp(`${partition} is mounted on`),
    });
    await assert.rejects(openTargetDevice(loop.device, options(loop, { confirm: undefined })), {
      message: new RegExp(`partitions ${basename(partition)}\\)`),
    });
  } finally {
    await execa('umount', [mountpoint]);
  }
  const holder = await holding('exec 3<"$1"; echo ready; read _', partition);
  try {
    await assert.rejects(openTargetDevice(loop.device, options(loop)), { message: /\(sh\) has it open/ });
  } finally {
    await holder.end();
  }
});

test('a device in use as swap is refused', { skip: noLoops }, async (t) => {
  const loop = await device(t);
  await execa('mkswap', [loop.device]);
  const swapon = await execa('swapon', [loop.device], { reject: false });
  if (swapon.failed) return t.skip(`swap cannot be used here: ${swapon.stderr}`);
  try {
    await assert.rejects(openTargetDevice(loop.device, options(loop)), {
      code: 'FAILED',
      message: /in use as swap/,
      hint: `first: swapoff ${loop.device}`,
    });
  } finally {
    await execa('swapoff', [loop.device]);
  }
});

test('a device that another process has open is refused, with the process', { skip: noLoops }, async (t) => {
  const loop = await device(t);
  const holder = await holding('exec 3<>"$1"; echo ready; read _', loop.device);
  try {
    await assert.rejects(openTargetDevice(loop.device, options(loop)), {
      code: 'FAILED',
      message: new RegExp(`process ${holder.pid} \\(sh\\) has it open`),
    });
  } finally {
    await holder.end();
  }
});

test('a device that a loop device is built on is refused', { skip: noLoops }, async (t) => {
  const loop = await device(t);
  const { stdout } = await execa('losetup', ['--find', '--show', loop.device]);
  try {
    await assert.rejects(openTargetDevice(loop.device, options(loop)), {
      code: 'FAILED',
      hint: `first: losetup -d ${stdout.trim()}`,
    });
  } finally {
    await execa('losetup', ['--detach', stdout.trim()]);
  }
});

test('a read-only device is refused', { skip: noLoops }, async (t) => {
  const loop = await device(t, ['--read-only']);
  await assert.rejects(openTargetDevice(loop.device, options(loop)), { code: 'FAILED', message: /read-only/ });
});

test('a device that is one byte too small is refused with both sizes', { skip: noLoops }, async (t) => {
  const loop = await device(t);
  await assert.rejects(openTargetDevice(loop.device, options(loop, { neededBytes: SIZE_BYTES + 1 })), {
    code: 'NO_SPACE',
    message: /16\.0 MiB \(16777216 bytes\), the image needs 16\.0 MiB \(16777217 bytes\)/,
  });
});

test('other sectors are refused without --force', { skip: noLoops }, async (t) => {
  const loop = await device(t, ['--sector-size', '4096']);
  await assert.rejects(openTargetDevice(loop.device, options(loop)), { code: 'USAGE', message: /4096 bytes.*had 512/ });
  const forced = await openTargetDevice(loop.device, options(loop, { force: true }));
  assert.equal(forced.logicalSectorBytes, 4096);
  forced.close();
  (await openTargetDevice(loop.device, options(loop, { sectorBytes: undefined }))).close();
});

test('no refusal writes a byte', { skip: noLoops }, async (t) => {
  const loop = await device(t);
  const fd = openSync(loop.file, 'r+');
  writeSync(fd, Buffer.alloc(SIZE_BYTES, 0xa5));
  closeSync(fd);
  const attempts = [{ confirm: 'sda' }, { neededBytes: SIZE_BYTES * 2 }, { sectorBytes: 4096 }];
  for (const attempt of attempts) await assert.rejects(openTargetDevice(loop.device, options(loop, attempt)));
  (await openTargetDevice(loop.device, options(loop))).close();
  assert.ok(readFileSync(loop.file).every((byte) => byte === 0xa5));
});
