import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SurveyedGpu } from '../../src/gpu/survey.js';
import { hardwareIn, withAllGpus } from '../../src/image/all-gpus.js';

const card = (index: number, name: string, more: Partial<SurveyedGpu> = {}): SurveyedGpu => ({
  index,
  name,
  vendor: 'nvidia',
  isSoftware: false,
  hasTimestamps: true,
  maxBindingBytes: 2 ** 31,
  maxBufferBytes: 2 ** 31,
  isReachable: true,
  speed: undefined,
  problem: undefined,
  ...more,
});

test('all is every hardware card, and one that cannot be told from another is named', () => {
  const gpus = [
    card(0, 'SwiftShader', { isSoftware: true }),
    card(1, 'NVIDIA H200'),
    card(2, 'NVIDIA H200', { isReachable: false }),
    card(3, 'AMD Radeon'),
  ];
  const { indexes, unreachable } = hardwareIn({ gpus });
  assert.deepEqual(indexes, ['1', '3']);
  assert.equal(unreachable.length, 1);
  assert.match(unreachable[0] ?? '', /^graphics card 2, "NVIDIA H200", is left out/);
});

test('without all nothing is asked and nothing changed', async () => {
  const stopped = AbortSignal.abort(new Error('nobody may be asked'));
  assert.deepEqual(await withAllGpus(['0', 'auto', '0'], assert.fail, stopped), ['0', 'auto', '0']);
  await assert.rejects(withAllGpus(['all'], assert.fail, stopped), /nobody may be asked/);
});
