import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AdapterFacts, chooseAdapter, isReachable, isSoftware, namesIn } from '../../src/gpu/adapter.js';

function adapter(index: number, name: string, facts: Partial<AdapterFacts> = {}): AdapterFacts {
  const sizes = { maxBindingBytes: 2 ** 31 - 4, maxBufferBytes: 2 ** 40, hasTimestamps: true };
  return { index, name, vendor: 'nvidia', isSoftware: false, isReachable: true, ...sizes, ...facts };
}
const SOFT = adapter(0, 'SwiftShader Device (Subzero)', { isSoftware: true });
const HARD = adapter(1, 'NVIDIA H200');

test('auto takes the first graphics card, and never a software device', () => {
  assert.deepEqual(chooseAdapter([SOFT, HARD], 'auto'), { adapter: HARD });
  assert.match(reasonOf(chooseAdapter([SOFT], 'auto')), /only software devices \(0: SwiftShader/);
  assert.match(reasonOf(chooseAdapter([], 'auto')), /no Vulkan driver/);
});

test('a device is named by its index or a part of its name, a software device too', () => {
  assert.deepEqual(chooseAdapter([SOFT, HARD], '0'), { adapter: SOFT });
  assert.deepEqual(chooseAdapter([SOFT, HARD], 'h200'), { adapter: HARD });
  assert.deepEqual(chooseAdapter([adapter(0, 'Radeon 7600'), HARD], '7600'), { adapter: adapter(0, 'Radeon 7600') });
  assert.match(reasonOf(chooseAdapter([SOFT, HARD], '7')), /no graphics card is called "7" \(there are 0: Swift/);
  assert.match(
    reasonOf(chooseAdapter([HARD, adapter(2, 'NVIDIA H200', { isReachable: false })], '2')),
    /cannot be told from/,
  );
});

test('a name that is a part of another is that of the card that has it whole', () => {
  const large = adapter(0, 'NVIDIA H200 NVL');
  assert.deepEqual(chooseAdapter([large, HARD], 'NVIDIA H200'), { adapter: HARD });
  assert.deepEqual(chooseAdapter([large, HARD], 'h200'), { adapter: large });
});

test('Dawn reaches the first card whose name holds the one that is asked for, and no other', () => {
  const reachable = (...names: string[]) => names.map((_, index) => isReachable(names, index));
  assert.deepEqual(reachable('NVIDIA H200', 'NVIDIA H200'), [true, false]);
  assert.deepEqual(reachable('NVIDIA H200 NVL', 'NVIDIA H200'), [true, false]);
  assert.deepEqual(reachable('NVIDIA H200', 'NVIDIA H200 NVL', 'AMD Radeon'), [true, true, true]);
  assert.equal(isReachable([], 0), false);
});

test("Dawn's list of names is read whatever they hold", () => {
  const message = "no adapter with backend 'vulkan' and name 'x' found\nAvailable adapters:\n";
  assert.deepEqual(namesIn(`${message} * backend: 'vulkan', name: 'A 'b' (C)'\n * backend: 'vulkan', name: 'D'\n`), [
    "A 'b' (C)",
    'D',
  ]);
  assert.deepEqual(namesIn('something else'), []);
});

test('software is recognised by what the driver says or by its name', () => {
  assert.equal(isSoftware({ isFallbackAdapter: true }, 'x'), true);
  assert.equal(isSoftware({ isFallbackAdapter: false }, 'llvmpipe (LLVM 15)'), true);
  assert.equal(isSoftware({ isFallbackAdapter: false }, 'NVIDIA H200'), false);
});

function reasonOf(choice: ReturnType<typeof chooseAdapter>): string {
  return 'reason' in choice ? choice.reason : '';
}
