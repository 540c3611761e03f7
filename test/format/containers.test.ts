import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODEC_NAMES } from '../../src/codec/index.js';
import { codecOfHead, containerOf, HEAD_BYTES } from '../../src/format/containers.js';

const head = (hex: string) => Buffer.from(hex.padEnd(2 * HEAD_BYTES, '0'), 'hex');

test('each codec has its container, and its start is long enough for all of them', () => {
  for (const codec of CODEC_NAMES) {
    const container = containerOf(codec);
    assert.equal(container.codec, codec);
    assert.ok(container.prologueBytes <= HEAD_BYTES);
  }
});

test('the codec of a file is told by its magic', () => {
  const heads: [string, string | undefined][] = [
    ['1f8b0800', 'gzip'],
    ['28b52ffd', 'zstd'],
    ['502a4d18', 'zstd'],
    ['5f2a4d18', 'zstd'],
    ['04224d18', 'lz4'],
    ['fd377a585a00', 'xz'],
    ['425a6831', 'bzip2'],
    ['425a6839', 'bzip2'],
    ['425a6830', undefined],
    ['425a683a', undefined],
    ['fd377a585a01', undefined],
    ['602a4d18', undefined],
    ['04224c18', undefined],
    ['00000000', undefined],
    ['ffffffff', undefined],
  ];
  for (const [hex, codec] of heads) assert.equal(codecOfHead(head(hex)), codec, hex);
});

test('a start of fewer than 4 bytes is nothing that is known', () => {
  for (let bytes = 0; bytes < 4; bytes++) assert.equal(codecOfHead(head('1f8b0800').subarray(0, bytes)), undefined);
});

test('our own prologues are told by their magic', () => {
  for (const codec of ['gzip', 'zstd', 'lz4', 'xz'] as const) {
    assert.equal(codecOfHead(containerOf(codec).prologue(4096)), codec);
  }
});
