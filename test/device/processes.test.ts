import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { processesHolding } from '../../src/device/processes.js';
import { attachLoop, holding, noLoops } from './loop.js';

test('a process that has the device open is found by its number and name, and we are not', {
  skip: noLoops,
}, async (t) => {
  const loop = await attachLoop(1 << 20);
  t.after(loop.detach);
  assert.deepEqual(processesHolding(loop.device), []);
  const fd = openSync(loop.device, 'r');
  assert.deepEqual(processesHolding(loop.device), []);
  closeSync(fd);
  const holder = await holding('exec 3<"$1"; echo ready; read _', loop.device);
  try {
    assert.deepEqual(processesHolding(loop.device), [{ pid: holder.pid, name: 'sh' }]);
  } finally {
    await holder.end();
  }
  assert.deepEqual(processesHolding(loop.device), []);
});
