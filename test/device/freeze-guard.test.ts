import assert from 'node:assert/strict';
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { type FreezeOptions, freezeGuarded } from '../../src/device/freeze-guard.js';
import { attachLoop, noLoops } from './loop.js';

const MIB = 1024 ** 2;

async function mountedLoop(t: TestContext) {
  const loop = await attachLoop(32 * MIB);
  const mountpoint = join(loop.directory, 'mnt');
  mkdirSync(mountpoint);
  await execa('mkfs.ext4', ['-q', loop.device]);
  await execa('mount', [loop.device, mountpoint]);
  const fd = openSync(mountpoint, constants.O_RDONLY | constants.O_DIRECTORY);
  t.after(async () => {
    closeSync(fd);
    await execa('fsfreeze', ['--unfreeze', mountpoint], { reject: false });
    await unmounted(mountpoint);
    await loop.detach();
  });
  return { fd, mountpoint };
}

/** A guard whose owner was killed has the directory open for a moment longer. */
async function unmounted(mountpoint: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    if (!(await execa('umount', [mountpoint], { reject: false })).failed) return;
    await sleep(100);
  }
  assert.fail(`${mountpoint} is in use`);
}

function optionsOf(more: Partial<FreezeOptions> = {}): FreezeOptions {
  return { limitS: 10, signal: new AbortController().signal, say: assert.fail, device: '/dev/sda3', ...more };
}

/** A write, and whether it is over by now. It cannot be stopped while the file system is frozen. */
function writing(mountpoint: string): { isOver: () => Promise<boolean>; ended: Promise<unknown> } {
  const ended = execa('touch', [join(mountpoint, 'file')]);
  return { ended, isOver: () => Promise.race([ended.then(() => true), sleep(300, false)]) };
}

test('what writes waits until it is thawed, and it can be frozen again', { skip: noLoops }, async (t) => {
  const { fd, mountpoint } = await mountedLoop(t);
  for (let round = 0; round < 2; round++) {
    const frozen = await freezeGuarded(fd, optionsOf());
    const write = writing(mountpoint);
    assert.equal(await write.isOver(), false);
    assert.deepEqual(await Promise.all([frozen.thaw(), frozen.thaw()]), [true, true]);
    await write.ended;
  }
});

test('when its time is over it is thawed, and thaw says that it did not last', { skip: noLoops }, async (t) => {
  const { fd, mountpoint } = await mountedLoop(t);
  const frozen = await freezeGuarded(fd, optionsOf({ limitS: 1 }));
  const write = writing(mountpoint);
  assert.equal(await write.isOver(), false);
  await write.ended;
  assert.equal(await frozen.thaw(), false);
});

const FREEZE_AND_STAY = `
  import { openSync } from 'node:fs';
  const { freezeGuarded } = await import(process.argv[1]);
  await freezeGuarded(openSync(process.argv[2], 'r'), { limitS: 60, signal: new AbortController().signal, say() {}, device: 'x' });
  console.log('frozen');
  setInterval(() => undefined, 1000);
`;

for (const signal of ['SIGKILL', 'SIGTERM'] as const)
  test(`it is thawed at once when whoever froze it ends by ${signal}`, { skip: noLoops }, async (t) => {
    const { mountpoint } = await mountedLoop(t);
    const module = new URL('../../src/device/freeze-guard.js', import.meta.url).href;
    const owner = execa(process.execPath, ['--input-type=module', '-e', FREEZE_AND_STAY, module, mountpoint], {
      reject: false,
    });
    await new Promise((resolve) => owner.stdout.once('data', resolve));
    const write = writing(mountpoint);
    assert.equal(await write.isOver(), false);
    owner.kill(signal);
    await owner;
    const start = performance.now();
    await write.ended;
    assert.ok(performance.now() - start < 5000);
  });

test('what cannot be frozen is said, with the reason', { skip: noLoops }, async (t) => {
  const { fd, mountpoint } = await mountedLoop(t);
  await execa('fsfreeze', ['--freeze', mountpoint]);
  await assert.rejects(freezeGuarded(fd, optionsOf()), /Cannot freeze \/dev\/sda3: fsfreeze: .*freeze failed/);
  await execa('fsfreeze', ['--unfreeze', mountpoint]);
});

test('a freeze that does not come is given up, and what it waits for is let go', async () => {
  let hasUnblocked = false;
  const options = optionsOf({
    guard: 'sleep 1; cat >/dev/null',
    patienceMs: 100,
    unblock: () => {
      hasUnblocked = true;
      return 'a scrub of it was stopped';
    },
  });
  await assert.rejects(freezeGuarded(0, options), (error: Error & { hint?: string }) => {
    assert.match(error.message, /it still wrote after 0.1 s/);
    assert.equal(error.hint, 'a scrub of it was stopped');
    return true;
  });
  assert.ok(hasUnblocked);
});

test('stopped while it waits for the freeze, it gives the reason', async () => {
  const controller = new AbortController();
  const frozen = freezeGuarded(0, optionsOf({ guard: 'cat >/dev/null', signal: controller.signal }));
  controller.abort(new Error('stopped by SIGTERM'));
  await assert.rejects(frozen, /stopped by SIGTERM/);
});

test('a thaw that fails is said, with what to type', async () => {
  const said: string[] = [];
  const frozen = await freezeGuarded(
    0,
    optionsOf({ guard: 'echo frozen; cat >/dev/null; exit 3', say: (text) => said.push(text) }),
  );
  assert.equal(await frozen.thaw(), false);
  assert.match(said[0] ?? '', /cannot thaw \/dev\/sda3: .*fsfreeze -u/);
});
