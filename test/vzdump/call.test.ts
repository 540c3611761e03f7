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
