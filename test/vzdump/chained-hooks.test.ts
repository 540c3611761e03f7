import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { findChainedHooks, mayHaveChainedHooks } from '../../src/vzdump/chained-hooks.js';
import { directory } from '../sets/fake-set.js';
import { makePrefix } from './prefix.js';
import { runJob } from './simulator.js';

const SCRIPT = '#!/bin/sh\nexit 0\n';

function fileIn(base: string, name: string, mode = 0o755): string {
  const path = join(base, name);
  writeFileSync(path, SCRIPT);
  chmodSync(path, mode);
  return path;
}

test('hooks are found in the order of their names; what is no hook by name or mode is passed over', (t) => {
  const base = directory(t);
  for (const name of ['20-b', '00-previous', '10-usb.sh', 'Z', 'a', '9_x']) fileIn(base, name);
  for (const name of ['a~', 'a.bak', 'a.dpkg-old', 'a.dpkg-new', '.hidden', 'a.disabled', 'with space'])
    fileIn(base, name);
  fileIn(base, '30-not-executable', 0o644);
  mkdirSync(join(base, '40-directory'));
  assert.deepEqual(findChainedHooks(base), {
    hooks: ['00-previous', '10-usb.sh', '20-b', '9_x', 'Z', 'a'].map((name) => join(base, name)),
    refused: [],
  });
});

test('a directory that is missing or holds no hook has none', (t) => {
  const base = directory(t);
  assert.equal(mayHaveChainedHooks(join(base, 'missing')), false);
  assert.equal(mayHaveChainedHooks(base), false);
  fileIn(base, 'old~');
  assert.equal(mayHaveChainedHooks(base), false);
  fileIn(base, '10-a');
  assert.equal(mayHaveChainedHooks(base), true);
});

test('a link that leads nowhere is told: what it led to was to be run', (t) => {
  const base = directory(t);
  symlinkSync(join(base, 'gone'), join(base, '00-previous'));
  fileIn(base, '10-a');
  const { hooks, refused } = findChainedHooks(base);
  assert.deepEqual(
    hooks.map((path) => basename(path)),
    ['10-a'],
  );
  assert.deepEqual(
    refused.map(({ code }) => code),
    ['CONFIG'],
  );
  assert.match(refused[0]?.message ?? '', /00-previous/);
});

test('a chained hook gets the very arguments, environment and end of input that vzdump gives', async (t) => {
  const prefix = makePrefix(t, { config: '[hook]\nimage-at = "never"' });
  prefix.chain(
    '00-previous',
    `tr '\\0' '\\n' </proc/$$/environ | grep -v LIFEBOAT_CONFIG | sort >'${prefix.directory}/env.'"$1"\ncat; echo "read to the end" >>"$NOTES"`,
  );
  const { dumpDirectory, hook: script } = prefix;
  const result = await runJob({ script, dumpDirectory, guests: [{ vmid: 100, type: 'qemu' }], compress: 'none' });
  assert.equal(result.outcome, 'ok');
  assert.equal(prefix.notes().length, result.calls.length);
  for (const { phase, env } of result.calls) {
    const wanted = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const got = readFileSync(join(prefix.directory, `env.${phase}`), 'utf8')
      .trimEnd()
      .split('\n');
    assert.deepEqual(got, wanted.sort(), phase);
  }
  assert.equal(readdirSync(prefix.directory).filter((name) => name.startsWith('env.')).length, 9);
});

test('what a chained hook prints on stdout and stderr is in the log as it is', async (t) => {
  const prefix = makePrefix(t, { config: '[hook]\nimage-at = "never"' });
  prefix.chain('10-talk', '[ "$1" = job-init ] && { echo "one"; echo "two" >&2; }; exit 0');
  const result = await runJob({ script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests: [] });
  assert.deepEqual(result.calls[0]?.lines.sort(), ['one', 'two']);
});

test('chained hooks stand around our own work: before it at job-start, after it at job-end', async (t) => {
  const boot = 'echo boot >>"$NOTES"';
  const prefix = makePrefix(t, { config: '[boot]\nto = "/tmp"\n[hook]\ncheck-target = false', boot });
  prefix.chain('10-mount', 'echo "$1" >>"$NOTES"');
  await runJob({ script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests: [] });
  assert.deepEqual(prefix.notes(), ['job-init', 'job-start', 'boot', 'job-end']);
});

test('a hook whose interpreter is not installed fails the phase, and is named', async (t) => {
  const prefix = makePrefix(t, { config: '[hook]\nimage-at = "never"' });
  writeFileSync(join(prefix.hooksDirectory, '10-perl'), '#!/usr/bin/nothing-of-this-name\n', { mode: 0o755 });
  const result = await runJob({ script: prefix.hook, dumpDirectory: prefix.dumpDirectory, guests: [] });
  assert.equal(result.outcome, 'died');
  assert.match(result.error ?? '', /exit code 126$/);
  assert.match(result.calls[0]?.lines.join('\n') ?? '', /Cannot run ".*\/10-perl"/);
});
