import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CardSpeed, cardsFor, devicesFor } from '../../src/policy/cards.js';

const card = (index: number, name: string, more: Partial<CardSpeed> = {}): CardSpeed => ({
  index,
  name,
  feeders: 1,
  ratio: 2.1,
  compressBytesPerSecond: 1e9,
  decompressBytesPerSecond: 2e9,
  ...more,
});
const SMALL = card(0, 'Intel Graphics');
const LARGE = card(1, 'NVIDIA H200', { feeders: 2, compressBytesPerSecond: 8e9 });
const SOFT = card(2, 'SwiftShader Device', { isSoftware: true, compressBytesPerSecond: 50e9 });
const ALL = [SMALL, LARGE, SOFT];

test('auto takes the quickest card that was measured, with the threads that it was quickest with, and no software', () => {
  assert.deepEqual(cardsFor(['auto'], ALL), {
    name: 'NVIDIA H200',
    devices: ['NVIDIA H200', 'NVIDIA H200'],
    compressBytesPerSecond: 8e9,
    ratio: 2.1,
  });
  assert.equal(cardsFor(['auto'], [SOFT]), undefined);
  assert.equal(cardsFor(['all'], [SOFT]), undefined);
  assert.equal(cardsFor(['auto'], []), undefined);
});

test('several cards count as one that does what they do together', () => {
  const both = cardsFor(['all'], ALL);
  assert.deepEqual(both?.devices, ['Intel Graphics', 'NVIDIA H200', 'NVIDIA H200']);
  assert.equal(both?.compressBytesPerSecond, 9e9);
  assert.equal(both?.name, 'Intel Graphics and NVIDIA H200');
  assert.deepEqual(cardsFor(['1', '0'], ALL)?.devices, ['NVIDIA H200', 'NVIDIA H200', 'Intel Graphics']);
  assert.deepEqual(cardsFor(['h200', 'auto', '1'], ALL)?.devices, ['NVIDIA H200', 'NVIDIA H200']);
});

test('a software device is taken where it is named, and one that was not measured never', () => {
  assert.deepEqual(cardsFor(['swift'], ALL)?.devices, ['SwiftShader Device']);
  assert.equal(cardsFor(['Radeon'], ALL), undefined);
  assert.equal(cardsFor(['auto'], [card(0, 'x', { compressBytesPerSecond: Number.NaN })]), undefined);
  assert.equal(cardsFor(['auto'], [card(0, 'x', { feeders: 0 })]), undefined);
});

test('who was told to take a card has as many threads feed it as did best, unless they say how many', () => {
  assert.deepEqual(devicesFor(['auto'], ALL), ['NVIDIA H200', 'NVIDIA H200']);
  assert.deepEqual(devicesFor(['auto'], [SOFT, LARGE]), ['auto', 'auto']);
  assert.deepEqual(devicesFor(['1'], ALL), ['NVIDIA H200', 'NVIDIA H200']);
  assert.deepEqual(devicesFor(['1', '1', '1'], ALL), ['1', '1', '1']);
  assert.deepEqual(devicesFor(['auto'], []), ['auto']);
  assert.deepEqual(devicesFor(['all', 'Radeon'], []), ['all', 'Radeon']);
});
