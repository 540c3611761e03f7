import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressionOf, targetKind } from '../../src/vzdump/archive-name.js';

test('where a backup went is told from TARGET', () => {
  assert.equal(targetKind('/mnt/nas/dump/x.vma'), 'file');
  assert.equal(targetKind('-'), 'stdout');
  for (const target of ['vm/100/2026-01-01T00:00:00Z', 'ct/100/2026-01-01T00:00:00Z', 'host/pve/2026-01-01T00:00:00Z'])
    assert.equal(targetKind(target), 'backup-server', target);
  for (const target of [undefined, 'vm/100', 'nas:backup/x', 'x.vma']) assert.equal(targetKind(target), 'unknown');
});

test('how an archive is compressed is told from its name, of names that vzdump gives', () => {
  const base = '/mnt/nas/dump/vzdump-qemu-100-2026_11_20-01_00_02';
  for (const [ending, compression] of [
    ['vma.zst', 'zst'],
    ['vma.gz', 'gz'],
    ['tar.lzo', 'lzo'],
    ['tar.bz2', 'bz2'],
    ['vma', 'none'],
    ['tar', 'none'],
    ['vma.xz', undefined],
    ['vma.dat', undefined],
    ['log', undefined],
  ] as const)
    assert.equal(compressionOf(`${base}.${ending}`), compression, ending);
  for (const target of ['-', undefined, 'vm/100/2026-01-01T00:00:00Z', '/tmp/my.vma.zst'])
    assert.equal(compressionOf(target), undefined);
});
