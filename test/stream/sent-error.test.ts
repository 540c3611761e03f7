import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LifeboatError } from '../../src/error.js';
import { receiveError, sendError } from '../../src/stream/sent-error.js';

/** As a worker's message does it. */
const across = (error: unknown): Error => receiveError(structuredClone(sendError(error)));

test('an error of ours keeps its class, code, message and hint on the way out of a worker', () => {
  const got = across(new LifeboatError('NO_SPACE', 'Cannot do it', { hint: 'free some room' }));
  assert.ok(got instanceof LifeboatError);
  assert.deepEqual(
    [got.code, got.message, got.hint, got.exitStatus],
    ['NO_SPACE', 'Cannot do it', 'free some room', 14],
  );
  assert.equal((across(new LifeboatError('DAMAGE', 'no hint')) as LifeboatError).hint, undefined);
});

test('an error of ours keeps its offset', () => {
  assert.equal((across(new LifeboatError('DAMAGE', 'at a place', { offset: 77 })) as LifeboatError).offset, 77);
});

test('any other error keeps its message and its stack', () => {
  const thrown = new TypeError('undefined is no function');
  const got = across(thrown);
  assert.equal(got.message, thrown.message);
  assert.equal(got.stack, thrown.stack);
  assert.ok(!(got instanceof LifeboatError));
});

test('what is no error at all becomes one', () => {
  for (const thrown of ['words', 7, null, undefined]) assert.equal(across(thrown).message, String(thrown));
});
