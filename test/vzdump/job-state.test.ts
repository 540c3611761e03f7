import assert from 'node:assert/strict';
import { readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { callingJob, changeJobState, readJobState, removeJobState } from '../../src/vzdump/job-state.js';
import { directory } from '../sets/fake-set.js';

const JOB = { pid: 4711, startTicks: 123_456 };
const EMPTY = { archives: [], aborted: [] };
const ARCHIVE = { vmid: '100', type: 'qemu', target: '/mnt/nas/dump/x.vma.zst' };
const FILE = 'vzdump-job.json';

test('what one call leaves, a later call of the same job finds, and only root can read it', (t) => {
  const base = join(directory(t), 'history');
  assert.deepEqual(readJobState(base, JOB), EMPTY);
  changeJobState(base, JOB, ({ archives }) => void archives.push(ARCHIVE));
  changeJobState(base, JOB, ({ aborted }) => void aborted.push('200'));
  assert.deepEqual(readJobState(base, JOB), { archives: [ARCHIVE], aborted: ['200'] });
  assert.equal(statSync(base).mode & 0o777, 0o700);
  assert.equal(statSync(join(base, FILE)).mode & 0o777, 0o600);
  removeJobState(base);
  removeJobState(base);
  assert.deepEqual(readdirSync(base), []);
});

test('another job finds nothing of it, and replaces it', (t) => {
  const base = directory(t);
  changeJobState(base, JOB, ({ aborted }) => void aborted.push('100'));
  for (const other of [
    { ...JOB, pid: 4712 },
    { ...JOB, startTicks: 123_457 },
  ])
    assert.deepEqual(readJobState(base, other), EMPTY);
  changeJobState(base, { ...JOB, startTicks: 1 }, ({ aborted }) => void aborted.push('300'));
  assert.deepEqual(readJobState(base, { ...JOB, startTicks: 1 }).aborted, ['300']);
  assert.deepEqual(readJobState(base, JOB), EMPTY);
});

test('a file that is cut anywhere, or is no state, tells nothing and is replaced', (t) => {
  const base = directory(t);
  const path = join(base, FILE);
  for (const text of ['', 'null', '[]', '7', '{"job":null}', '{"job":{"pid":4711}}']) {
    writeFileSync(path, text);
    assert.deepEqual(readJobState(base, JOB), EMPTY, text);
  }
  changeJobState(base, JOB, ({ archives }) => void archives.push(ARCHIVE));
  for (let length = statSync(path).size - 2; length >= 0; length--) {
    truncateSync(path, length);
    assert.deepEqual(readJobState(base, JOB), EMPTY, `${length} bytes`);
  }
  changeJobState(base, JOB, ({ archives }) => void archives.push(ARCHIVE));
  assert.deepEqual(readJobState(base, JOB).archives, [ARCHIVE]);
});

test('a link that lies in wait is not followed', (t) => {
  const base = directory(t);
  writeFileSync(join(base, 'victim'), 'as it was');
  symlinkSync(join(base, 'victim'), join(base, FILE));
  symlinkSync(join(base, 'victim'), join(base, `${FILE}.partial`));
  assert.throws(() => readJobState(base, JOB), { code: 'FAILED' });
  assert.equal(statSync(join(base, 'victim')).size, 9);
});

test('it stays bounded', (t) => {
  const base = directory(t);
  changeJobState(base, JOB, (state) => {
    state.aborted = Array.from({ length: 20_000 }, (_, index) => String(index));
  });
  const { aborted } = readJobState(base, JOB);
  assert.equal(aborted.length, 10_000);
  assert.equal(aborted.at(-1), '19999');
});

test('a job is the process that calls, and when it was started', () => {
  const job = callingJob(process.pid);
  assert.equal(job.pid, process.pid);
  assert.ok(Number.isSafeInteger(job.startTicks) && job.startTicks > 0);
  assert.deepEqual(callingJob(process.pid), job);
  assert.notDeepEqual(callingJob(1), job);
});
