import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { isIncompressible, kindOfPiece } from '../../src/policy/entropy.js';

const PIECE = 64 * 1024;

test('what is encrypted or compressed is told from programs, texts and zeros', () => {
  const program = readFileSync(process.execPath);
  const compressed = deflateRawSync(program.subarray(0, 8 * 1024 ** 2), { level: 9 });
  assert.equal(kindOfPiece(randomBytes(PIECE)), 'incompressible');
  assert.equal(kindOfPiece(compressed.subarray(PIECE, 2 * PIECE)), 'incompressible');
  assert.equal(kindOfPiece(program.subarray(1024 ** 2, 1024 ** 2 + PIECE)), 'compressible');
  assert.equal(kindOfPiece(Buffer.from('the same words again and again. '.repeat(2048))), 'compressible');
  assert.equal(kindOfPiece(Buffer.alloc(PIECE)), 'zeros');
});

test('a source does not compress if nine tenths of what is filled does not; from a few pieces nothing is said', () => {
  const pieces = (incompressible: number, compressible: number, zeros: number) => [
    ...Array<'incompressible'>(incompressible).fill('incompressible'),
    ...Array<'compressible'>(compressible).fill('compressible'),
    ...Array<'zeros'>(zeros).fill('zeros'),
  ];
  assert.equal(isIncompressible(pieces(9, 1, 6)), true);
  assert.equal(isIncompressible(pieces(8, 2, 6)), false);
  assert.equal(isIncompressible(pieces(5, 0, 11)), undefined);
  assert.equal(isIncompressible([]), undefined);
});
