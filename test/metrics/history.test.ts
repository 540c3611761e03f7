import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import fc from 'fast-check';
import { appendHistory, type HistoryRow, readHistory } from '../../src/metrics/history.js';

const TIME = '2026-01-02T03:04:05.000Z';
const needsRoot = process.getuid?.() === 0 ? false : 'needs root';

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-history-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function row(number: number, over: object = {}): HistoryRow & { number: number } {
  return { kind: 'boot', time: TIME, number, ...over };
}

const fileIn = (base: string) => join(base, 'history.jsonl');
const numbersOf = (rows: readonly object[]) => rows.map((one) => (one as { number: number }).number);

test('what is added is read again, in order, with fields that this version does not know', async (t) => {
  const base = join(directory(t), 'var', 'lifeboat');
  const rows = [
    row(1, { set: '/mnt/nas/größer', later: { field: [1, null] } }),
    { kind: 'guest', time: TIME, vmid: 100, line: 'a\nb\u2028c' } as const,
    { kind: 'verify-guest', time: TIME } as const,
    { kind: 'restore', time: TIME } as const,
  ];
  assert.deepEqual(await readHistory(base), { rows: [], brokenLines: 0 });
  for (const one of rows) await appendHistory(base, one);
  assert.deepEqual(await readHistory(base), { rows, brokenLines: 0 });
  assert.equal(statSync(base).mode & 0o777, 0o700);
  assert.equal(statSync(fileIn(base)).mode & 0o777, 0o600);
  assert.equal(readFileSync(fileIn(base), 'utf8').split('\n').length, rows.length + 1);
});

test('a row that was cut off at any byte is one broken line, and every other row is read', async (t) => {
  const base = directory(t);
  for (const number of [1, 2]) await appendHistory(base, row(number));
  const whole = readFileSync(fileIn(base));
  const firstBytes = whole.indexOf('\n') + 1;
  for (let cut = firstBytes; cut <= whole.length; cut++) {
    writeFileSync(fileIn(base), whole);
    truncateSync(fileIn(base), cut);
    await appendHistory(base, row(3));
    const { rows, brokenLines } = await readHistory(base);
    // Without its newline alone it is whole.
    const isWhole = cut >= whole.length - 1;
    assert.deepEqual(numbersOf(rows), isWhole ? [1, 2, 3] : [1, 3], `cut at ${cut}`);
    assert.equal(brokenLines, isWhole || cut === firstBytes ? 0 : 1, `cut at ${cut}`);
  }
});

test('lines that are no row are counted and do not end the reading', async (t) => {
  const base = directory(t);
  const good = JSON.stringify(row(1));
  const broken = [
    '{',
    'null',
    '[]',
    '"x"',
    '{}',
    '{"kind":"boot"}',
    '{"kind":"boot","time":"never"}',
    '\0\0\0',
    'x'.repeat(70_000),
  ];
  const laterKind = `{"kind":"later","time":"${TIME}"}`;
  writeFileSync(
    fileIn(base),
    ['', good, ...broken, '', '  ', laterKind, `${good}\r`, 'x'.repeat(600_000), good].join('\n'),
    { mode: 0o600 },
  );
  const { rows, brokenLines } = await readHistory(base);
  assert.deepEqual(numbersOf(rows), [1, 1, 1]);
  assert.equal(brokenLines, broken.length + 1);
});

test('the end of a line that is too long is no row, whatever it looks like', async (t) => {
  const base = directory(t);
  const good = JSON.stringify(row(1));
  for (const pad of [65_537, 256 * 1024, 512 * 1024]) {
    writeFileSync(fileIn(base), `${'x'.repeat(pad)}${good}\n${good}\n`, { mode: 0o600 });
    const { rows, brokenLines } = await readHistory(base);
    assert.deepEqual([numbersOf(rows), brokenLines], [[1], 1], `${pad} characters`);
  }
});

test('a file that is put aside while it is read is read once', async (t) => {
  const base = directory(t);
  await appendHistory(base, row(1));
  linkSync(fileIn(base), `${fileIn(base)}.1`);
  assert.deepEqual(numbersOf((await readHistory(base)).rows), [1]);
});

test('whatever bytes are in the file, it is read, and a row added to it is found', async (t) => {
  const base = directory(t);
  const pieces = fc.array(
    fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(Buffer.from('\n'), Buffer.from(JSON.stringify(row(7))))),
  );
  await fc.assert(
    fc.asyncProperty(pieces, async (bytes) => {
      writeFileSync(fileIn(base), Buffer.concat(bytes), { mode: 0o600 });
      await appendHistory(base, row(1));
      const { rows } = await readHistory(base);
      assert.equal(numbersOf(rows).at(-1), 1);
    }),
  );
});

test('rows of any strings come back as they were', async (t) => {
  const base = directory(t);
  const written: object[] = [];
  const text = fc.string({ unit: 'binary' });
  // An object has no such field of its own.
  const name = text.filter((one) => one !== '__proto__');
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, text), async (fields) => {
      const one = { ...fields, ...row(written.length) };
      await appendHistory(base, one);
      written.push(one);
    }),
  );
  assert.deepEqual(await readHistory(base), { rows: written, brokenLines: 0 });
});

test('processes that add at once lose no row and break none, also while files change', async (t) => {
  const base = directory(t);
  const program = join(base, 'program.mjs');
  const history = pathToFileURL(join(import.meta.dirname, '../../src/metrics/history.js')).href;
  writeFileSync(
    program,
    `import { appendHistory } from ${JSON.stringify(history)};
const [directory, from, fullBytes] = process.argv.slice(2);
for (let i = 0; i < 300; i++)
  await appendHistory(directory, { kind: 'guest', time: '${TIME}', number: Number(from) + i, pad: 'x'.repeat(i * 7) }, Number(fullBytes));
`,
  );
  // 4 x 300 rows of 1.1 KiB on average are 1.3 MiB: one change of files in the second round.
  for (const fullBytes of [2 ** 30, 800_000]) {
    const state = join(base, String(fullBytes));
    const appenders = [0, 1000, 2000, 3000].map((from) =>
      execa(process.execPath, [program, state, String(from), String(fullBytes)]),
    );
    await Promise.all(appenders);
    const { rows, brokenLines } = await readHistory(state);
    assert.equal(brokenLines, 0);
    const expected = [0, 1000, 2000, 3000].flatMap((from) => Array.from({ length: 300 }, (_, i) => from + i));
    assert.deepEqual(
      numbersOf(rows).sort((a, b) => a - b),
      expected,
    );
    assert.equal(existsSync(`${fileIn(state)}.1`), fullBytes === 800_000);
    assert.equal(existsSync(`${fileIn(state)}.rotating`), false);
  }
});

test('a full file is put aside, one older is kept, both are read', async (t) => {
  const base = directory(t);
  for (let number = 0; number < 25; number++) await appendHistory(base, row(number), 500);
  const { rows } = await readHistory(base);
  const numbers = numbersOf(rows);
  assert.equal(numbers.at(-1), 24);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => 25 - numbers.length + i),
  );
  assert.ok(statSync(`${fileIn(base)}.1`).size >= 500);
  assert.equal(existsSync(`${fileIn(base)}.2`), false);
  // 16 MiB unless told otherwise.
  truncateSync(fileIn(base), 16 * 1024 * 1024 - 1);
  await appendHistory(base, row(100));
  assert.ok(statSync(fileIn(base)).size > 16 * 1024 * 1024);
  await appendHistory(base, row(101));
  assert.ok(statSync(fileIn(base)).size < 100);
});

test('a change of files that a killed run began is gone on with, one that is being made is left alone', async (t) => {
  const base = directory(t);
  const mutex = `${fileIn(base)}.rotating`;
  await appendHistory(base, row(1));
  mkdirSync(mutex);
  await appendHistory(base, row(2), 10);
  assert.deepEqual([existsSync(mutex), existsSync(`${fileIn(base)}.1`)], [true, false]);
  const longAgo = new Date(Date.now() - 120_000);
  utimesSync(mutex, longAgo, longAgo);
  await appendHistory(base, row(3), 10);
  assert.deepEqual([existsSync(mutex), existsSync(`${fileIn(base)}.1`)], [false, true]);
  assert.deepEqual(numbersOf((await readHistory(base)).rows), [1, 2, 3]);
  renameSync(fileIn(base), join(base, 'away'));
  assert.deepEqual(numbersOf((await readHistory(base)).rows), [1, 2]);
});

test('on a full disk the row is refused and the file is as it was', { skip: needsRoot }, async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'lifeboat-history-'));
  const options = ['-t', 'tmpfs', '-o', 'size=64k,mode=0700'];
  const mounted = await execa('mount', [...options, 'lifeboat-test', disk], { reject: false });
  t.after(async () => {
    if (!mounted.failed) await execa('umount', [disk]);
    rmdirSync(disk);
  });
  if (mounted.failed) return t.skip(`nothing can be mounted here: ${mounted.stderr}`);
  const bytesOf = () => readFileSync(fileIn(disk));
  let failure: unknown;
  let before = Buffer.alloc(0);
  let count = 0;
  for (; failure === undefined && count < 1000; count++) {
    before = existsSync(fileIn(disk)) ? bytesOf() : before;
    failure = await appendHistory(disk, row(count, { pad: 'x'.repeat(300) })).catch((error: unknown) => error);
  }
  assert.match(String(failure), /Cannot write ".*history.jsonl": there is room for \d+ of \d+ bytes/);
  assert.equal((failure as { code: string }).code, 'NO_SPACE');
  assert.deepEqual(bytesOf(), before);
  // With nothing left at all, not even a part is written.
  appendFileSync(fileIn(disk), 'x'.repeat(64 * 1024 - before.length));
  await assert.rejects(appendHistory(disk, row(1)), { code: 'NO_SPACE', exitStatus: 14 });
  truncateSync(fileIn(disk), before.length - 5);
  await appendHistory(disk, row(1));
  const { rows, brokenLines } = await readHistory(disk);
  assert.deepEqual([rows.length, brokenLines], [count - 1, 1]);
});

test('a row of more than 64 KiB is refused', async (t) => {
  const base = directory(t);
  await assert.rejects(appendHistory(base, row(1, { pad: 'x'.repeat(65_536) })), /a row of \d+ bytes is too long/);
  assert.equal(existsSync(fileIn(base)), false);
});

test('a link, a pipe or a directory in its place is not followed, filled or waited for', async (t) => {
  const base = directory(t);
  writeFileSync(join(base, 'victim'), 'victim', { mode: 0o600 });
  symlinkSync(join(base, 'victim'), fileIn(base));
  for (const use of [() => appendHistory(base, row(1)), () => readHistory(base)])
    await assert.rejects(use, { code: 'FAILED', message: /it is a symbolic link$/ });
  assert.equal(readFileSync(join(base, 'victim'), 'utf8'), 'victim');
  rmSync(fileIn(base));
  await execa('mkfifo', ['-m', '600', fileIn(base)]);
  for (const use of [() => appendHistory(base, row(1)), () => readHistory(base)])
    await assert.rejects(use, { code: 'FAILED', message: /it is no file$/ });
  rmSync(fileIn(base));
  mkdirSync(fileIn(base));
  await assert.rejects(appendHistory(base, row(1)), { code: 'FAILED', message: /EISDIR/ });
  mkdirSync(join(base, 'real'));
  symlinkSync(join(base, 'real'), join(base, 'link'));
  await assert.rejects(appendHistory(join(base, 'link'), row(1)), /link": it is a symbolic link$/);
  assert.equal(existsSync(fileIn(join(base, 'real'))), false);
});

test('a directory or file that others own or may write is refused', { skip: needsRoot }, async (t) => {
  const base = directory(t);
  await appendHistory(base, row(1));
  for (const path of [base, fileIn(base)]) {
    chownSync(path, 12345, 0);
    await assert.rejects(appendHistory(base, row(2)), { message: /it belongs to user 12345$/ });
    chownSync(path, 0, 0);
    const { mode } = statSync(path);
    chmodSync(path, mode | 0o020);
    await assert.rejects(appendHistory(base, row(2)), {
      message: /others may write it$/,
      hint: `chmod go-w "${path}"`,
    });
    chmodSync(path, mode);
  }
  await appendHistory(base, row(2));
  assert.deepEqual(numbersOf((await readHistory(base)).rows), [1, 2]);
});
