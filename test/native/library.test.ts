import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindLibrary, loadLibrary } from '../../src/native/library.js';
import { ownPointer } from '../../src/native/owned-pointer.js';

test('a library is loaded once, by the first name that this host has', () => {
  const first = loadLibrary(['libnowhere.so.7', 'libz.so.1']);
  assert.ok(first.library);
  assert.equal(loadLibrary(['libnowhere.so.7', 'libz.so.1']), first);
  const version = first.library.func('const char *zlibVersion()') as () => string;
  assert.match(version(), /^1\./);
});

test('a library that is not there gives the reason', () => {
  const result = loadLibrary(['libnowhere.so.7']);
  assert.equal(result.library, undefined);
  assert.match(result.library === undefined ? result.reason : '', /cannot open shared object file/);
});

test('a binding binds once and not before it is used', () => {
  let times = 0;
  const binding = bindLibrary('libz.so.1', 'zlib1g', () => ({ times: ++times }));
  assert.equal(times, 0);
  assert.equal(binding.missing(), undefined);
  assert.deepEqual(binding.functions(), { times: 1 });
  assert.equal(times, 1);
});

test('a binding without its library, or with one too old, names the Debian package', () => {
  const absent = bindLibrary('libnowhere.so.7', 'libnowhere7', () => ({}));
  const old = bindLibrary('libz.so.1', 'zlib1g', (library) => ({ future: library.func('int future()') }));
  assert.equal(absent.missing(), 'libnowhere.so.7: apt install libnowhere7');
  assert.equal(old.missing(), 'libz.so.1: apt install zlib1g');
  assert.throws(() => absent.functions(), { code: 'FAILED', hint: 'apt install libnowhere7' });
  assert.throws(() => old.functions(), { code: 'FAILED', message: /Cannot find function 'future'/ });
});

test('an owned pointer is freed once and not given out afterwards', () => {
  const freed: unknown[] = [];
  const owned = ownPointer('thing', 42n, (pointer) => freed.push(pointer));
  assert.equal(owned.get(), 42n);
  owned.close();
  owned.close();
  assert.deepEqual(freed, [42n]);
  assert.throws(() => owned.get(), /the thing is closed/);
});

test('a NULL pointer is a lack of memory', () => {
  for (const nothing of [null, 0n]) assert.throws(() => ownPointer('thing', nothing, () => {}), { code: 'FAILED' });
});
