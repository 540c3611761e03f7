import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDecisionLog } from '../../src/image/decision-log.js';
import { mostUsedLevel } from '../../src/image/run-policy.js';

test('decisions are told at once, in ms since the start, and 200 of them are kept', () => {
  const told: string[] = [];
  const log = createDecisionLog(5000, ({ atMs, what }) => told.push(`${atMs} ${what}`));
  for (let number = 0; number < 250; number++)
    log.add({ atMs: 5000.4 + number, what: `level ${number}`, why: 'numbers' });
  assert.equal(told.length, 250);
  assert.deepEqual(told.slice(0, 2), ['0 level 0', '1 level 1']);
  assert.equal(log.entries().length, 200);
  assert.deepEqual(log.lines().slice(-2), ['policy at 0.2 s: level 199 (numbers)', 'and 50 more decisions']);
});

test('the level of a run is the one that most of it was compressed at', () => {
  assert.equal(
    mostUsedLevel({
      bytesAtLevel: new Map([
        [3, 100],
        [9, 500],
        [-7, 499],
      ]),
    }),
    9,
  );
  assert.equal(mostUsedLevel({ bytesAtLevel: new Map() }), undefined);
});
