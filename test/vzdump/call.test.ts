import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endsAtFirstFailure, isIdlePhase, parseHookCall } from '../../src/vzdump/call.js';

test('a phase of a job, a phase of a guest', () => {
  const of = (...args: string[]) => parseHookCall(args);
  assert.deepEqual(of('job-end'), {
    kind: 'phase',
    phase: 'job-end',
    isKnown: true,
    mode: undefined,
    vmid: undefined,
    args: ['job-end'],
  });
  assert.deepEqual(of('log-end', 'snapshot', '100'), {
    kind: 'phase',
    phase: 'log-end',
    isKnown: true,
    mode: 'snapshot',
    vmid: '100',
    args: ['log-end', 'snapshot', '100'],
  });
});

test("a number first is a guest's hookscript, whatever phase it may be called in", () => {
  for (const phase of ['pre-start', 'post-start', 'pre-stop', 'post-stop', 'pre-migrate'])
    assert.deepEqual(parseHookCall(['100', phase]), { kind: 'guest-hookscript', vmid: '100' });
});

test('nothing is wrong usage; what nobody knows is a phase to come', () => {
  assert.deepEqual(parseHookCall([]), { kind: 'usage' });
  assert.deepEqual(parseHookCall(['']), { kind: 'usage' });
  assert.deepEqual(parseHookCall(['--help']), { kind: 'help' });
  for (const phase of ['backup-paused', 'constructor', 'toString']) {
    const call = parseHookCall([phase, 'stop', '7']);
    assert.equal(call.kind === 'phase' && call.isKnown, false, phase);
    assert.equal(isIdlePhase(phase), true);
    assert.equal(endsAtFirstFailure(phase), false);
  }
});

test('an argument that is no guest is not taken for one', () => {
  const call = parseHookCall(['log-end', 'snapshot', '../../etc']);
  assert.equal(call.kind === 'phase' ? call.vmid : 'another', undefined);
});

test('where something begins the first failure ends the phase, in all others every hook has its turn', () => {
  const begins = ['job-init', 'job-start', 'backup-start', 'pre-stop'];
  const ends = ['job-end', 'job-abort', 'pre-restart', 'post-restart', 'backup-end', 'backup-abort', 'log-end'];
  for (const phase of begins) assert.equal(endsAtFirstFailure(phase), true, phase);
  for (const phase of ends) assert.equal(endsAtFirstFailure(phase), false, phase);
});

test('lifeboat has nothing of its own to do between the start of a backup and its end', () => {
  const idle = ['backup-start', 'pre-stop', 'pre-restart', 'post-restart'];
  const busy = ['job-init', 'job-start', 'job-end', 'job-abort', 'backup-end', 'backup-abort', 'log-end'];
  for (const phase of idle) assert.equal(isIdlePhase(phase), true, phase);
  for (const phase of busy) assert.equal(isIdlePhase(phase), false, phase);
});
