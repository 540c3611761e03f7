import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeManifest, type Manifest, parseManifest } from '../../src/format/manifest.js';

const MANIFEST: Manifest = {
  format: 'lifeboat-manifest',
  formatVersion: 1,
  lifeboatVersion: '0.1.0',
  createdAt: '2026-01-02T03:04:05.678Z',
  source: {
    path: '/dev/sda',
    kind: 'block',
    sizeBytes: 9192,
    logicalSectorBytes: 512,
    consistency: 'crash',
    skippedBytes: 0,
    zeroBytes: 4096,
    badRanges: [{ offset: 512, length: 512 }],
  },
  image: {
    name: 'disk.img.zst',
    sizeBytes: 500,
    codec: 'zstd',
    level: 3,
    engine: 'native',
    threads: 2,
    chunkBytes: 4096,
    frames: 3,
    ratio: 18.4,
    sha256: 'ab'.repeat(32),
    indexHash: 'cd'.repeat(32),
    index: null,
    verified: true,
  },
  timing: {
    wallMs: 1,
    readMs: 1,
    readWaitMs: 1,
    codecMs: 1,
    codecWaitMs: 1,
    writeMs: 1,
    writeWaitMs: 1,
    bottleneck: 'reading',
  },
  warnings: ['"/dev/sda" is mounted'],
};

/** The manifest's text with one member set to something else, or taken away. */
function changed(path: string, value: unknown): string {
  const copy = JSON.parse(encodeManifest(MANIFEST)) as Record<string, Record<string, unknown>>;
  const [first, second] = path.split('.') as [string, string | undefined];
  if (second === undefined) (copy as Record<string, unknown>)[first] = value;
  else (copy[first] as Record<string, unknown>)[second] = value;
  return JSON.stringify(copy);
}

test('a manifest comes back as it was, and ends with a line feed', () => {
  const text = encodeManifest(MANIFEST);
  assert.ok(text.endsWith('}\n'));
  assert.deepEqual(parseManifest(text), MANIFEST);
});

test('members that no reader relies on may be missing or new', () => {
  for (const path of ['createdAt', 'timing', 'warnings', 'source.path', 'image.level', 'image.engine', 'image.new']) {
    assert.notEqual(parseManifest(changed(path, undefined)), undefined, path);
  }
});

test('a member that readers rely on must be there and of its type', () => {
  const wrong: [string, unknown[]][] = [
    ['format', [undefined, null, 'lifeboat', 1]],
    ['formatVersion', [undefined, '1', 0, 2]],
    ['source', [undefined, null, [], 'a']],
    ['image', [undefined, null, [], 'a']],
    ['source.sizeBytes', [undefined, null, '9192']],
    ['source.logicalSectorBytes', [undefined, '512']],
    ['image.codec', [undefined, null, 1]],
    ['image.sizeBytes', [undefined, null, '1']],
    ['image.chunkBytes', [undefined, null, '1']],
    ['image.indexHash', [undefined, null, 1]],
    ['image.index', [undefined, 1]],
    ['image.sha256', [undefined, 1]],
  ];
  for (const [path, values] of wrong) {
    for (const value of values) assert.equal(parseManifest(changed(path, value)), undefined, `${path} ${value}`);
  }
});

test('no other JSON and no other text is a manifest, and none makes it throw', () => {
  for (const text of ['', '{', '{}', '[]', 'null', '1', '"lifeboat-manifest"', '{"format":"lifeboat-manifest"}']) {
    assert.equal(parseManifest(text), undefined, text);
  }
  fc.assert(fc.property(fc.json(), (text) => assert.equal(parseManifest(text), undefined)));
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parseManifest(text), undefined)));
});

test('a manifest cut at any byte is none', () => {
  const text = encodeManifest(MANIFEST);
  // Without its last byte, a line feed, it is whole.
  for (let length = 0; length < text.length - 1; length++) {
    assert.equal(parseManifest(text.slice(0, length)), undefined, `${length} bytes`);
  }
});
