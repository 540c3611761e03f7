import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closest } from '../../src/config/closest.js';
import { durationMs } from '../../src/config/duration.js';

test('the word that was meant is found, and none is made up', () => {
  const known = ['bwlimit', 'lockwait', 'prune-backups', 'to', 'on', 'level', 'exclude', 'include-guests'];
  for (const [word, meant] of [
    ['bwlmit', 'bwlimit'],
    ['lokcwait', 'lockwait'],
    ['prune_backups', 'prune-backups'],
    ['pruneBackups', 'prune-backups'],
    ['Level', 'level'],
    ['levels', 'level'],
    ['tO', 'to'],
    ['include-guest', 'include-guests'],
    ['speed', undefined],
    ['x', undefined],
    ['', undefined],
  ] as const)
    assert.equal(closest(word, known), meant, word);
  assert.equal(closest('level', []), undefined);
});

test('durations are milliseconds', () => {
  assert.deepEqual(
    ['90m', '20h', '7d', '2w', '0m'].map(durationMs),
    [5_400_000, 72_000_000, 604_800_000, 1_209_600_000, 0],
  );
  for (const wrong of ['', '20', 'h', '1.5h', '-1h', '20 h', '20H', '1234567w'])
    assert.throws(() => durationMs(wrong), wrong);
});
