import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readProcessStat } from '../../src/device/process-stat.js';

test('a name of blanks, parentheses and bytes that are no text moves no field', (t) => {
  const proc = mkdtempSync(join(tmpdir(), 'lifeboat-proc-'));
  t.after(() => rmSync(proc, { recursive: true }));
  mkdirSync(join(proc, '7'));
  // Field 4 on: each holds its own number.
  const rest = Array.from({ length: 49 }, (_, index) => index + 4).join(' ');
  writeFileSync(join(proc, '7', 'stat'), Buffer.from(`7 (a) Z 1 (\xff) S ${rest}\n`, 'latin1'));
  assert.deepEqual(readProcessStat(7, proc), { state: 'S', startTicks: '22', childrenTicks: 16 + 17 });
});

test('this process was started once, and one that is not there says so', () => {
  assert.equal(readProcessStat('self').startTicks, readProcessStat(process.pid).startTicks);
  assert.match(readProcessStat(process.pid).startTicks, /^[1-9]\d*$/);
  assert.throws(() => readProcessStat(2 ** 30), { code: 'ENOENT' });
});
