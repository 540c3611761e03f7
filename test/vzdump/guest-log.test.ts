import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type GuestLog, parseGuestLog } from '../../src/vzdump/guest-log.js';

const FIXTURES = 'test/vzdump/fixtures';
const GIB = 2 ** 30;
const MIB = 2 ** 20;
const NOTHING: GuestLog = {
  outcome: undefined,
  reason: undefined,
  durationMs: undefined,
  bytes: undefined,
  sparseBytes: undefined,
  MBps: undefined,
};

function fixture(name: string): string {
  return readFileSync(join(FIXTURES, `${name}.log`), 'utf8');
}

for (const [name, vmid, wanted] of [
  ['vm-snapshot', '101', { durationMs: 75_000, bytes: 50 * GIB, sparseBytes: Math.round(45.84 * GIB), MBps: 767 }],
  // In less than a second: that is no time to divide by.
  ['vm-stop', '100', { durationMs: 2000, bytes: 4 * MIB, sparseBytes: 4 * MIB }],
  ['ct-stop', '999', { durationMs: 17_000, bytes: 878_131_200, MBps: 86 }],
  // More than 99 hours; and rsync's "transferred 120.36G bytes" of suspend mode is no archive's.
  ['ct-suspend', '105', { durationMs: ((123 * 60 + 45) * 60 + 41) * 1000, bytes: 129_235_292_160, MBps: 1288.5 }],
] as const) {
  test(`${name}.log tells what it tells`, () => {
    assert.deepEqual(parseGuestLog(fixture(name), vmid), { ...NOTHING, outcome: 'ok', ...wanted });
  });

  test(`${name}.log without its times, as the task's log has it, tells the same`, () => {
    const text = fixture(name).replaceAll(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /gm, '');
    assert.deepEqual(parseGuestLog(text, vmid), parseGuestLog(fixture(name), vmid));
  });
}

test('a failed VM: why, and no figures of what did not come to its end', () => {
  assert.deepEqual(parseGuestLog(fixture('vm-failed'), '103'), {
    ...NOTHING,
    outcome: 'failed',
    reason: 'vma_queue_write: write error - Broken pipe',
  });
});

test('a failed container: a long reason is cut', () => {
  const { reason, ...rest } = parseGuestLog(fixture('ct-failed'), '104');
  assert.deepEqual(rest, {
    outcome: 'failed',
    durationMs: undefined,
    bytes: undefined,
    sparseBytes: undefined,
    MBps: undefined,
  });
  assert.equal(reason?.length, 300);
  assert.match(reason ?? '', /^command 'set -o pipefail && lxc-usernsexec /);
});

test('a log that is cut anywhere tells less, and nothing else', () => {
  const text = fixture('vm-snapshot');
  const whole = parseGuestLog(text, '101');
  for (let length = 0; length < text.length; length++) {
    const part = parseGuestLog(text.slice(0, length), '101');
    for (const key of Object.keys(whole) as (keyof GuestLog)[])
      assert.ok(part[key] === undefined || part[key] === whole[key], `${key} after ${length} characters`);
  }
});

test('nothing, and what is no log, tell nothing', () => {
  for (const text of ['', '\n\n', '\0\0\0', 'INFO', 'transferred 1.00 GiB in 1 seconds (1 GiB/s)'])
    assert.deepEqual(parseGuestLog(text, '100'), NOTHING);
});

test("another guest's words are not this one's", () => {
  const text = 'INFO: Finished Backup of VM 1000 (00:00:01)\nERROR: Backup of VM 10 failed - no\n';
  assert.deepEqual(parseGuestLog(text, '100'), NOTHING);
});

test('figures that are none are left out', () => {
  const text = 'INFO: transferred 1.2.3 GiB in 5 seconds (x)\nINFO: Total bytes written: 20 (20B, ?/s)\n';
  assert.deepEqual(parseGuestLog(text, '100'), NOTHING);
});
