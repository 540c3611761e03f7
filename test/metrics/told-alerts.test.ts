import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Alert } from '../../src/metrics/alert.js';
import { alertMessage } from '../../src/metrics/alert-words.js';
import { newsOf, readTold, writeTold } from '../../src/metrics/told-alerts.js';

const NOW = new Date('2026-11-21T03:00:00.000Z');
const alert = (kind: Alert['kind'], grade = 1): Alert => ({
  kind,
  about: 'boot pve1 S1',
  name: 'pve1 /dev/sda',
  grade,
  what: 'it is so',
  means: 'this or that',
  todo: 'do something',
});

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-told-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('an alert is told once, again when it gets worse, and again when it was over', () => {
  let told = new Map() as ReturnType<typeof newsOf>['told'];
  const night = (...alerts: Alert[]) => {
    const news = newsOf(alerts, told, NOW);
    told = news.told;
    return [news.tell.map(({ kind, grade }) => `${kind} ${grade}`), news.over];
  };
  assert.deepEqual(night(alert('slow'), alert('filling', 1)), [['slow 1', 'filling 1'], []]);
  assert.deepEqual(night(alert('slow'), alert('filling', 1)), [[], []]);
  assert.deepEqual(night(alert('slow'), alert('filling', 3)), [['filling 3'], []]);
  // Better, and as bad as before: nothing is news.
  assert.deepEqual(night(alert('slow'), alert('filling', 2)), [[], []]);
  assert.deepEqual(night(alert('slow'), alert('filling', 3)), [[], []]);
  assert.deepEqual(night(alert('filling', 3)), [[], ['slow boot pve1 S1']]);
  assert.deepEqual(night(alert('slow'), alert('filling', 3)), [['slow 1'], []]);
});

test('what was told is kept for root alone, and what is no such file is as none', (t) => {
  const base = directory(t);
  const path = join(base, 'alerts.json');
  assert.equal(readTold(base).size, 0);
  const { told } = newsOf([alert('slow', 2)], new Map(), NOW);
  writeTold(base, told);
  assert.deepEqual(readTold(base), told);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(base), ['alerts.json']);
  for (const text of ['', '{', 'null', '[]', '{"told":7}', '{"told":{"a":null,"b":{"grade":"1"}}}']) {
    writeFileSync(path, text);
    assert.equal(readTold(base).size, 0, text);
  }
  chmodSync(path, 0o666);
  assert.throws(() => readTold(base), /others may write it/);
});

test('a symbolic link in the place of what was told is refused when read, and replaced when written', (t) => {
  const base = directory(t);
  const elsewhere = join(base, 'elsewhere');
  writeFileSync(elsewhere, 'mine');
  symlinkSync(elsewhere, join(base, 'alerts.json'));
  assert.throws(() => readTold(base), /symbolic link/);
  writeTold(base, new Map());
  assert.equal(readFileSync(elsewhere, 'utf8'), 'mine');
  assert.equal(readTold(base).size, 0);
});

test('the message has for each alert its numbers, what it may mean and what to do', () => {
  const one = alertMessage([alert('slow')], ['filling /mnt']);
  assert.equal(one.title, 'alert: pve1 /dev/sda: it is so');
  assert.equal(
    one.text,
    'slow: pve1 /dev/sda: it is so\n  may mean: this or that\n  to do: do something\n\nover: filling /mnt',
  );
  assert.equal(alertMessage([alert('slow'), alert('long')], []).title, '2 alerts');
});
