import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { copyDatabase, libsqlite3 } from '../../src/native/libsqlite3.js';

const dir = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
after(() => rmSync(dir, { recursive: true }));

const without =
  libsqlite3.missing() ?? (spawnSync('sqlite3', ['--version']).status === 0 ? false : 'sqlite3: apt install sqlite3');
const signal = new AbortController().signal;

test('rows in the write-ahead log are copied, uncommitted ones are not', { skip: without }, async (t) => {
  const path = join(dir, 'wal.db');
  // The first connection stays open, so that nothing of the log goes into the database.
  const writer = openShell(path);
  t.after(() => writer.kill());
  await says(writer, 'PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(n INTEGER, x TEXT);');
  await says(
    writer,
    'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<5000) INSERT INTO t SELECT n, hex(randomblob(100)) FROM c;',
  );
  await says(writer, "BEGIN IMMEDIATE; INSERT INTO t VALUES (-1, 'not committed');");

  const copy = await saved(path, 'wal-copy.db');
  assert.equal(query(copy, 'SELECT count(*), min(n), max(n) FROM t'), '5000|1|5000');
  assert.equal(query(copy, 'PRAGMA integrity_check'), 'ok');

  await says(writer, 'COMMIT;');
  const later = await saved(path, 'wal-later.db');
  assert.equal(query(later, 'SELECT count(*), min(n) FROM t'), '5001|-1');
});

test('a copy made while rows are committed all the time is whole and in order', { skip: without }, async (t) => {
  const path = join(dir, 'busy.db');
  query(path, 'PRAGMA journal_mode = WAL; CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)');
  const script = `while :; do echo "INSERT INTO t(x) VALUES (randomblob(20000));"; done | sqlite3 -batch "$1"`;
  const writer = spawn('sh', ['-c', script, 'sh', path], { stdio: 'ignore', detached: true });
  t.after(() => process.kill(-(writer.pid as number), 'SIGKILL'));
  while (Number(query(path, 'SELECT count(*) FROM t')) < 50) await new Promise((resolve) => setTimeout(resolve, 20));

  for (const round of [1, 2, 3]) {
    const before = Number(query(path, 'SELECT count(*) FROM t'));
    const copy = await saved(path, `busy-copy-${round}.db`);
    const [rows, last] = query(copy, 'SELECT count(*), max(n) FROM t').split('|').map(Number);
    assert.ok(rows !== undefined && rows >= before, `${rows} rows of at least ${before}`);
    assert.equal(last, rows);
  }
});

test('a database without a write-ahead log and with other pages is copied, the source is left alone', {
  skip: without,
}, async () => {
  const path = join(dir, 'plain.db');
  query(path, 'PRAGMA page_size = 1024; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)');
  const before = readdirSync(dir).sort();
  const copy = await copyDatabase(path, signal);
  assert.deepEqual(readdirSync(dir).sort(), before);
  assert.equal(copy.readUInt16BE(16), 1024);
});

test('a database that is locked is waited for, until told otherwise', { skip: without }, async (t) => {
  const path = join(dir, 'locked.db');
  query(path, 'CREATE TABLE t(x); INSERT INTO t VALUES (1)');
  const writer = openShell(path);
  t.after(() => writer.kill());
  await says(writer, 'BEGIN EXCLUSIVE;');

  const impatient = AbortSignal.timeout(200);
  await assert.rejects(copyDatabase(path, impatient), { name: 'TimeoutError' });

  const patient = copyDatabase(path, signal);
  await says(writer, 'COMMIT;');
  assert.ok((await patient).length > 0);
});

test('what is no database, or none at all, is an error that says so', { skip: without }, async () => {
  const path = join(dir, 'text.db');
  writeFileSync(path, 'This is not a database, although it is as long as the header of one would be. '.repeat(40));
  await assert.rejects(copyDatabase(path, signal), { code: 'FAILED', message: /file is not a database/ });
  await assert.rejects(copyDatabase(join(dir, 'none.db'), signal), { code: 'FAILED', message: /unable to open/ });
});

test('a damaged database is reported and not saved', { skip: without }, async () => {
  const path = join(dir, 'damaged.db');
  query(path, 'CREATE TABLE t(n INTEGER PRIMARY KEY, x); CREATE INDEX i ON t(x)');
  query(
    path,
    'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<2000) INSERT INTO t SELECT n, n*7 FROM c',
  );
  const bytes = await copyDatabase(path, signal);
  bytes.fill(0xff, 4096 * 3, 4096 * 4);
  const damaged = join(dir, 'damaged-copy.db');
  writeFileSync(damaged, bytes);
  await assert.rejects(copyDatabase(damaged, signal), (error: { code?: string }) =>
    ['DAMAGE', 'FAILED'].includes(error.code ?? ''),
  );
});

async function saved(path: string, name: string): Promise<string> {
  const copy = join(dir, name);
  writeFileSync(copy, await copyDatabase(path, signal));
  return copy;
}

function query(path: string, sql: string): string {
  const printed = execFileSync('sqlite3', ['-batch', '-cmd', '.timeout 10000', path, sql], { encoding: 'utf8' });
  return printed.trim().split('\n').at(-1) ?? '';
}

function openShell(path: string): ChildProcess {
  return spawn('sqlite3', ['-batch', path], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Runs statements in an open shell and waits until they are done. */
async function says(shell: ChildProcess, sql: string): Promise<void> {
  shell.stdin?.write(`${sql}\n.print done\n`);
  let printed = '';
  while (!printed.includes('done\n')) {
    const [chunk] = await once(shell.stdout as NonNullable<typeof shell.stdout>, 'data');
    printed += String(chunk);
  }
}
