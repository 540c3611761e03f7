import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { directory, flip, sameBytes, until } from '../cli/program.js';
import { attachLoop, type Loop, noLoops } from '../device/loop.js';
import { makeSet, noDisks, PLAN } from '../sets/made-set.js';

const SCRIPT = resolve('scripts/disaster-restore');
const skip = noLoops || noDisks || (existsSync('dist/main.js') ? false : 'the project is not built');
/** `script` gives it a terminal. */
const noTerminal = skip || (existsSync('/usr/bin/script') ? false : 'bsdutils is not installed');
const LIMIT_MS = 60_000;

function start(args: string[]) {
  return execa(SCRIPT, args, { reject: false, stdin: 'ignore', all: true, timeout: LIMIT_MS });
}

async function loopOf(t: TestContext): Promise<Loop> {
  const loop = await attachLoop(PLAN.sizeBytes);
  t.after(loop.detach);
  return loop;
}

test('a set is proven and restored without a question if all is said', { skip }, async (t) => {
  const base = directory(t);
  const set = await makeSet(base);
  const loop = await loopOf(t);
  const name = basename(loop.device);
  const wrong = await start(['--set', set, '--target', loop.device, '--yes-destroy', 'sda']);
  assert.equal(wrong.exitCode, 64, wrong.all);
  sameBytes(readFileSync(loop.file), Buffer.alloc(PLAN.sizeBytes));
  const ran = await start(['--set', set, '--target', loop.device, '--yes-destroy', name]);
  assert.equal(ran.exitCode, 0, ran.all);
  assert.match(ran.all, /every bit is proven/);
  assert.match(ran.all, /read back and compared/);
  assert.match(ran.all, /What is left to do/);
  sameBytes(readFileSync(loop.file), readFileSync(join(base, 'disk.img')));
});

test('a set that is not whole is not restored', { skip }, async (t) => {
  const set = await makeSet(directory(t));
  const image = join(set, 'boot-disk.img.zst');
  const bytes = readFileSync(image);
  writeFileSync(image, flip(bytes, bytes.length >> 1));
  const loop = await loopOf(t);
  const ran = await start(['--set', set, '--target', loop.device, '--yes-destroy', basename(loop.device)]);
  assert.equal(ran.exitCode, 13, ran.all);
  assert.match(ran.all, /not whole/);
  sameBytes(readFileSync(loop.file), Buffer.alloc(PLAN.sizeBytes));
});

test('where nobody can be asked, what is missing is wrong usage', async () => {
  const ran = await start(['--set', '/nowhere']);
  assert.equal(ran.exitCode, 64, ran.all);
  assert.match(ran.all, /--target and --yes-destroy/);
  assert.equal((await start(['--nonsense'])).exitCode, 64);
  assert.equal((await start(['--help'])).exitCode, 0);
});

/** Answers each question once it is asked. */
async function converse(t: TestContext, args: string[], answers: [prompt: RegExp, answer: string][]) {
  const command = [SCRIPT, ...args].map((word) => `'${word}'`).join(' ');
  const person = execa('script', ['-qec', command, '/dev/null'], { reject: false, all: true, timeout: LIMIT_MS });
  t.after(() => person.kill('SIGKILL'));
  let heard = '';
  person.all.on('data', (text) => {
    heard += String(text);
  });
  for (const [prompt, answer] of answers) {
    await until(`it asks ${prompt}; it said ${heard}`, () => prompt.test(heard), 30_000);
    heard = '';
    person.stdin.write(`${answer}\n`);
  }
  return await person;
}

test('a person chooses a set, types the name of the disk twice, and has the host back', {
  skip: noTerminal,
}, async (t) => {
  const base = directory(t);
  const set = await makeSet(base);
  rmSync(join(base, 'disk.img.tree'), { recursive: true });
  const loop = await loopOf(t);
  const name = basename(loop.device);
  const stopped = await converse(
    t,
    [dirname(dirname(set))],
    [
      [/Which one\? 1 to 1/, '1'],
      [/Which disk/, name],
      [/once more/, 'sda'],
    ],
  );
  assert.equal(stopped.exitCode, 1, stopped.all);
  assert.match(stopped.all, /nothing was written/);
  sameBytes(readFileSync(loop.file), Buffer.alloc(PLAN.sizeBytes));
  const ran = await converse(
    t,
    [dirname(dirname(set)), '--skip-verify'],
    [
      [/Which one\? 1 to 1/, '7'],
      [/Which one\? 1 to 1/, '1'],
      [/Which disk/, name],
      [/once more/, name],
    ],
  );
  assert.equal(ran.exitCode, 0, ran.all);
  assert.match(ran.all, /pve1 {2}2026-11-20T20:30:00\.000Z/);
  assert.match(ran.all, /RECOVERY\.md/);
  sameBytes(readFileSync(loop.file), readFileSync(join(base, 'disk.img')));
});
