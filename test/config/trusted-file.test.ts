import assert from 'node:assert/strict';
import { chmodSync, chownSync, lchownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { readTrustedFile, requireTrusted } from '../../src/config/trusted-file.js';
import { directory } from './config-file.js';

const NOBODY = 65534;
const notRoot = process.getuid?.() === 0 ? false : 'needs root to give files to somebody else';

function refused(path: string, message: RegExp, hint?: RegExp): void {
  for (const look of [readTrustedFile, requireTrusted])
    assert.throws(() => look(path), {
      code: 'CONFIG',
      exitStatus: 78,
      message,
      ...(hint === undefined ? {} : { hint }),
    });
}

describe('a file that decides what root does', () => {
  test('is read where nobody else has a say in it, below /tmp too', (t) => {
    const base = directory(t);
    const path = join(base, 'config.toml');
    writeFileSync(path, 'a = "ä"\n', { mode: 0o644 });
    assert.equal(readTrustedFile(path), 'a = "ä"\n');
    assert.equal(readTrustedFile(join(base, 'no', 'such')), undefined);
    symlinkSync('config.toml', join(base, 'link'));
    mkdirSync(join(base, 'sub'));
    symlinkSync('../link', join(base, 'sub', 'link'));
    symlinkSync(join(base, 'sub'), join(base, 'way'));
    assert.equal(requireTrusted(join(base, 'way', 'link')), path);
    assert.equal(readTrustedFile(join(base, 'way', 'link')), 'a = "ä"\n');
  });

  test('is refused where others can write to it, or to a directory on the way', (t) => {
    const base = directory(t);
    const sub = join(base, 'etc');
    const path = join(sub, 'config.toml');
    mkdirSync(sub);
    writeFileSync(path, '');
    for (const mode of [0o666, 0o622, 0o620, 0o602]) {
      chmodSync(path, mode);
      refused(path, /^Cannot trust ".*config\.toml": others than its owner can write to it \(mode 06/, /chmod go-w/);
    }
    chmodSync(path, 0o600);
    for (const [at, mode] of [
      [sub, 0o777],
      [sub, 0o770],
      [base, 0o777],
    ] as const) {
      chmodSync(at, mode);
      refused(path, new RegExp(`^Cannot trust "${at}": others than its owner can write to it`));
      // Nobody may remove what is not theirs.
      chmodSync(at, 0o1777);
      assert.equal(readTrustedFile(path), '');
      chmodSync(at, 0o700);
    }
  });

  test("is refused where it, or a directory on the way, is somebody else's", { skip: notRoot }, (t) => {
    const base = directory(t);
    const sub = join(base, 'etc');
    const path = join(sub, 'config.toml');
    mkdirSync(sub);
    writeFileSync(path, '', { mode: 0o600 });
    chownSync(path, NOBODY, NOBODY);
    refused(path, /config\.toml": it belongs to user 65534, not to root$/, /chown root:root/);
    chownSync(path, 0, 0);
    chownSync(sub, NOBODY, NOBODY);
    refused(path, /etc": it belongs to user 65534/);
    chownSync(sub, 0, 0);
    assert.equal(readTrustedFile(path), '');
  });

  test('is refused where a link leads through what is not to be trusted', { skip: notRoot }, (t) => {
    const base = directory(t);
    const theirs = join(base, 'theirs');
    mkdirSync(theirs);
    writeFileSync(join(theirs, 'config.toml'), '');
    chownSync(theirs, NOBODY, NOBODY);
    symlinkSync(join(theirs, 'config.toml'), join(base, 'link'));
    refused(join(base, 'link'), /theirs": it belongs to user 65534/);
    chownSync(theirs, 0, 0);
    lchownSync(join(base, 'link'), NOBODY, NOBODY);
    refused(join(base, 'link'), /link": it belongs to user 65534/);
    lchownSync(join(base, 'link'), 0, 0);
    assert.equal(readTrustedFile(join(base, 'link')), '');
    // Back out by "..", past a directory that all may write to.
    chmodSync(theirs, 0o777);
    rmSync(join(theirs, 'config.toml'));
    writeFileSync(join(base, 'config.toml'), '');
    symlinkSync('../config.toml', join(theirs, 'config.toml'));
    refused(join(theirs, 'config.toml'), /theirs": others than its owner can write to it/);
  });

  test('is what the kernel finds behind "..", not what the text says', { skip: notRoot }, (t) => {
    const base = directory(t);
    mkdirSync(join(base, 'deep', 'er'), { recursive: true });
    writeFileSync(join(base, 'config.toml'), 'at the top');
    writeFileSync(join(base, 'deep', 'config.toml'), 'deep');
    symlinkSync('deep/er', join(base, 'link'));
    symlinkSync('link/../config.toml', join(base, 'both'));
    assert.equal(readTrustedFile(join(base, 'both')), 'deep');
    assert.equal(readTrustedFile(`${base}/link/../config.toml`), 'deep');
    chownSync(join(base, 'deep', 'config.toml'), NOBODY, NOBODY);
    refused(`${base}/link/../config.toml`, /deep\/config\.toml": it belongs to user 65534/);
    refused(join(base, 'both'), /deep\/config\.toml": it belongs to user 65534/);
  });

  test('a directory that all may put something into is not to be trusted itself', (t) => {
    const base = directory(t);
    chmodSync(base, 0o1777);
    assert.throws(() => requireTrusted(base), { code: 'CONFIG', message: /others than its owner can write to it/ });
    assert.equal(requireTrusted(join(base, 'nothing')), undefined);
  });

  test('is refused where it is no file, without waiting', async (t) => {
    const base = directory(t);
    symlinkSync('b', join(base, 'a'));
    symlinkSync('a', join(base, 'b'));
    refused(join(base, 'a'), /symbolic links lead in a circle/);
    writeFileSync(join(base, 'file'), '');
    refused(join(base, 'file', 'x'), /on the way to it is no directory/);
    assert.throws(() => readTrustedFile(base), { code: 'CONFIG', message: /it is no regular file/ });
    await execa('mkfifo', [join(base, 'pipe')]);
    assert.throws(() => readTrustedFile(join(base, 'pipe')), { code: 'CONFIG', message: /it is no regular file/ });
  });
});
