import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { readSecret } from '../../src/notify/secret-file.js';
import { directory } from './service.js';

const SECRET = 'tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2';

test('a secret is a file by its path or a systemd credential by its name, without the line end', (t) => {
  const base = directory(t);
  const path = join(base, 'ntfy.token');
  for (const end of ['', '\n', '\r\n', '\n\n']) {
    writeFileSync(path, SECRET + end, { mode: 0o600 });
    assert.equal(readSecret(path), SECRET);
    assert.equal(readSecret('ntfy.token', base), SECRET);
  }
  chmodSync(path, 0o400);
  assert.equal(readSecret(path), SECRET);
});

test('a file that others may read is refused with what to type', (t) => {
  const path = join(directory(t), 'token');
  writeFileSync(path, SECRET);
  for (const mode of [0o640, 0o604, 0o620, 0o644]) {
    chmodSync(path, mode);
    assert.throws(() => readSecret(path), { code: 'CONFIG', hint: `chmod 600 "${path}"`, message: /others may read/ });
  }
});

test('a file of somebody else is refused', { skip: process.getuid?.() === 0 ? false : 'needs root' }, (t) => {
  const path = join(directory(t), 'token');
  writeFileSync(path, SECRET, { mode: 0o600 });
  chownSync(path, 12345, 0);
  assert.throws(() => readSecret(path), { code: 'CONFIG', message: /it belongs to user 12345/ });
});

test('what is no file, or no secret, is refused, and never shown', async (t) => {
  const base = directory(t);
  const path = join(base, 'token');
  for (const content of ['', '\n', `${SECRET} x`, `${SECRET}\nx`, `${SECRET}\0`, 'ü', SECRET.repeat(200)]) {
    writeFileSync(path, content, { mode: 0o600 });
    assert.throws(
      () => readSecret(path),
      (error: Error) => /one line of visible ASCII/.test(error.message) && !error.message.includes(SECRET),
      JSON.stringify(content),
    );
  }
  writeFileSync(path, SECRET, { mode: 0o600 });
  symlinkSync(path, join(base, 'link'));
  mkdirSync(join(base, 'dir'), { mode: 0o700 });
  await execa('mkfifo', ['-m', '600', join(base, 'pipe')]);
  assert.throws(() => readSecret(join(base, 'link')), /it is a symbolic link/);
  assert.throws(() => readSecret(join(base, 'dir')), /it is no file/);
  assert.throws(() => readSecret(join(base, 'pipe')), /it is no file/);
  assert.throws(() => readSecret(join(base, 'none')), /Cannot read the secret ".*none": ENOENT/);
});

test('a name leads nowhere but into the directory of credentials', (t) => {
  const base = directory(t);
  for (const name of ['../token', 'a/b', '.', '..', '', '-x'])
    assert.throws(() => readSecret(name, base), { code: 'CONFIG', message: /neither an absolute path nor/ }, name);
  assert.throws(() => readSecret('token', undefined), { code: 'CONFIG', hint: /LoadCredential=/ });
});
