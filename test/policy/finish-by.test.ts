import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LifeboatError } from '../../src/error.js';
import { msUntil } from '../../src/policy/finish-by.js';

const MINUTE = 60_000;

test('a time of day is the next one: later today, or tomorrow', () => {
  const now = new Date(2026, 10, 21, 22, 15);
  assert.equal(msUntil('23:00', now), 45 * MINUTE);
  assert.equal(msUntil('6:30', now), (8 * 60 + 15) * MINUTE);
  assert.equal(msUntil('22:15', now), 24 * 60 * MINUTE);
});

test('what is no time of day is refused with an example', () => {
  for (const text of ['', '24:00', '6', '06:60', '6:5', '06:30 ', 'dawn'])
    assert.throws(
      () => msUntil(text, new Date()),
      (error) => error instanceof LifeboatError && error.code === 'USAGE' && error.message.includes('06:30'),
      text,
    );
});
