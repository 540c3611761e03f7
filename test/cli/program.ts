import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa, type Options } from 'execa';

/** The launcher, as a user calls it. */
export const PROGRAM = resolve('bin/lifeboat');

/** Nothing here takes longer; a test that hangs must say so, not stop all. */
const LIMIT_MS = 30_000;

export const STATUS = {
  done: 0,
  failed: 1,
  partial: 3,
  busy: 11,
  damage: 13,
  noSpace: 14,
  usage: 64,
  needsRoot: 77,
  config: 78,
};

/** No test depends on the configuration of the machine it runs on. */
const NO_CONFIG = '/nonexistent/lifeboat/config.toml';

export interface Ran {
  status: number | undefined;
  signal: string | undefined;
  stdout: string;
  stderr: string;
}

/** Runs lifeboat to its end; never rejects for its exit status. */
export async function lifeboat(args: string[], options: Options = {}): Promise<Ran> {
  const { exitCode, signal, stdout, stderr } = await start(args, options);
  return { status: exitCode, signal, stdout: String(stdout ?? ''), stderr: String(stderr ?? '') };
}

/** Starts lifeboat. Standard input is empty unless it is told otherwise. */
export function start(args: string[], options: Options = {}) {
  const quiet: Options = options.stdin === undefined && options.input === undefined ? { stdin: 'ignore' } : {};
  return execa(PROGRAM, args, {
    ...quiet,
    reject: false,
    stripFinalNewline: false,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    cleanup: true,
    ...options,
    env: { LIFEBOAT_CONFIG: NO_CONFIG, ...options.env },
  });
}

/** The same with bytes on stdout. */
export async function lifeboatBytes(args: string[], options: Options = {}): Promise<Ran & { bytes: Buffer }> {
  const { exitCode, signal, stdout, stderr } = await start(args, { ...options, encoding: 'buffer' });
  const bytes = Buffer.from(stdout as unknown as Uint8Array);
  const words = Buffer.from(stderr as unknown as Uint8Array).toString();
  return { status: exitCode, signal, stdout: '', stderr: words, bytes };
}

/** Shows what it said, if it ended otherwise than it should. */
export function ends(ran: Ran, status: number, words?: RegExp): void {
  assert.equal(ran.status, status, `ended with ${ran.status ?? ran.signal}: ${ran.stderr}`);
  assert.doesNotMatch(ran.stderr, /internal error|\n {4}at /);
  if (words !== undefined) assert.match(ran.stderr, words);
}

/** A directory that is gone after the test. */
export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-cli-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Bytes that nothing compresses, the same for the same seed (xorshift32, Marsaglia 2003). */
export function noise(bytes: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, bytes);
}

/** Like a disk: noise, text and zeros by turns of 64 KiB, and a long stretch of zeros in the middle. */
export function diskBytes(bytes: number, seed = 1): Buffer {
  const disk = Buffer.alloc(bytes);
  const step = 64 * KIB;
  for (let at = 0; at < bytes; at += step) {
    const piece = disk.subarray(at, Math.min(at + step, bytes));
    const turn = (at / step) % 4;
    if (at >= bytes / 3 && at < bytes / 2) continue;
    if (turn < 2) noise(piece.length, seed + at / step).copy(piece);
    else if (turn === 2) piece.fill(`root:x:0:0:root:/root:/bin/bash, line ${at} of ${seed}\n`);
  }
  return disk;
}

export function fileOf(path: string, bytes: Buffer | string): string {
  writeFileSync(path, bytes);
  return path;
}

/** Images a file, and fails the test if that fails. */
export async function imageOf(source: string, out: string, ...flags: string[]): Promise<string> {
  ends(await lifeboat(['image', source, '-o', out, '-q', ...flags]), STATUS.done);
  return out;
}

/** As an assertion that does not print megabytes. */
export function sameBytes(actual: Buffer, expected: Buffer, what = 'the bytes'): void {
  assert.equal(actual.length, expected.length, `${what}: another length`);
  if (actual.equals(expected)) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  assert.fail(`${what} differ at offset ${at}`);
}

export function sameFile(path: string, expected: Buffer): void {
  sameBytes(readFileSync(path), expected, path);
}

/** Waits until it is so. */
export async function until(what: string, isSo: () => boolean, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!isSo()) {
    if (performance.now() > end) assert.fail(`waited ${limitMs} ms in vain until ${what}`);
    await sleep(10);
  }
}

/** The names in a directory that begin so, in order. */
export function namesIn(path: string, beginning = ''): string[] {
  return readdirSync(path)
    .filter((name) => name.startsWith(beginning))
    .sort();
}

export function flip(bytes: Buffer, offset: number, bit = 0): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[offset] = (flipped[offset] ?? 0) ^ (1 << bit);
  return flipped;
}
