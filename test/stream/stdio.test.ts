import assert from 'node:assert/strict';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { preparePipe } from '../../src/stream/stdio.js';
import { scratch } from './machine.js';

test('a pipe takes 1 MiB before anybody reads, and then waits instead of failing', async (t) => {
  const path = join(scratch(t), 'pipe');
  await execa('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    assert.equal(preparePipe(writer), writer);
    assert.equal(writeSync(writer, Buffer.alloc(1024 * 1024)), 1024 * 1024);
    const { stdout } = await execa('grep', ['^flags', `/proc/${process.pid}/fdinfo/${writer}`]);
    const flags = Number.parseInt(stdout.split(/\s+/)[1] ?? '', 8);
    assert.equal(flags & constants.O_NONBLOCK, 0);
  } finally {
    closeSync(reader);
    closeSync(writer);
  }
});

test('what is no pipe is left as it is', () => {
  const fd = openSync('/dev/null', constants.O_WRONLY);
  try {
    assert.equal(preparePipe(fd), fd);
  } finally {
    closeSync(fd);
  }
});
