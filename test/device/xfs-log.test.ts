import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { xfsLogDoubt } from '../../src/device/xfs-log.js';

/** Recorded from xfsprogs 6.1: unmounted, frozen, and with one file made since. */
const recorded = (name: string) => readFileSync(`test/device/fixtures/xfs-log/${name}.txt`, 'utf8');

test('an unmounted and a frozen XFS have maps to rely on', () => {
  assert.equal(xfsLogDoubt(recorded('clean')), undefined);
  assert.equal(xfsLogDoubt(recorded('frozen')), undefined);
});

test('one that is in use, or was not unmounted, has not', () => {
  assert.equal(xfsLogDoubt(recorded('dirty')), 'its log was not replayed');
  const frozen = recorded('frozen');
  assert.equal(xfsLogDoubt(frozen.replace('blkno:0x0 ', 'blkno:0x2 ')), 'its log was not replayed');
  assert.equal(xfsLogDoubt(`${frozen}INO: cnt:2 total:2 a:0x0 len:56\n`), 'its log was not replayed');
  assert.equal(xfsLogDoubt(frozen.slice(0, frozen.indexOf('LOG REC'))), 'its log was not replayed');
});

test('what says nothing of the log is no proof', () => {
  assert.match(xfsLogDoubt('') ?? '', /does not say/);
  assert.match(xfsLogDoubt(recorded('clean').replace('<CLEAN>', '<WHAT>')) ?? '', /does not say/);
});
