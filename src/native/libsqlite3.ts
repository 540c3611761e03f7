import { setImmediate, setTimeout } from 'node:timers/promises';
import { LifeboatError } from '../error.js';
import { bindLibrary, type Pointer } from './library.js';
import { ownPointer } from './owned-pointer.js';

type IntoPointer<A extends unknown[]> = (...args: A) => Pointer;

/** https://www.sqlite.org/c3ref/intro.html */
export const libsqlite3 = bindLibrary('libsqlite3.so.0', 'libsqlite3-0', (library) => ({
  open: library.func('int sqlite3_open_v2(const char *name, void *database, int flags, const char *vfs)') as (
    name: string,
    database: Buffer,
    flags: number,
    vfs: null,
  ) => number,
  close: library.func('int sqlite3_close_v2(void *database)') as (database: Pointer) => number,
  errorText: library.func('const char *sqlite3_errmsg(void *database)') as (database: Pointer) => string,
  codeText: library.func('const char *sqlite3_errstr(int code)') as (code: number) => string,
  exec: library.func('int sqlite3_exec(void *db, const char *sql, void *row, void *context, void *message)') as (
    database: Pointer,
    sql: string,
    row: null,
    context: null,
    message: null,
  ) => number,
  prepare: library.func('int sqlite3_prepare_v2(void *db, const char *sql, int n, void *statement, void *tail)') as (
    database: Pointer,
    sql: string,
    sqlBytes: number,
    statement: Buffer,
    tail: null,
  ) => number,
  step: library.func('int sqlite3_step(void *statement)') as unknown as {
    async(statement: Pointer, done: (failure: unknown, code: number) => void): void;
  },
  columnText: library.func('const char *sqlite3_column_text(void *statement, int column)') as (
    statement: Pointer,
    column: number,
  ) => string | null,
  finalize: library.func('int sqlite3_finalize(void *statement)') as (statement: Pointer) => number,
  interrupt: library.func('void sqlite3_interrupt(void *database)') as (database: Pointer) => void,
  backupInit: library.func(
    'void *sqlite3_backup_init(void *to, const char *toName, void *from, const char *fromName)',
  ) as IntoPointer<[Pointer, string, Pointer, string]>,
  backupStep: library.func('int sqlite3_backup_step(void *backup, int pages)') as (
    backup: Pointer,
    pages: number,
  ) => number,
  backupFinish: library.func('int sqlite3_backup_finish(void *backup)') as (backup: Pointer) => number,
  serialize: library.func(
    'void *sqlite3_serialize(void *db, const char *schema, void *sizeBytes, unsigned int flags)',
  ) as IntoPointer<[Pointer, string, Buffer, number]>,
  free: library.func('void sqlite3_free(void *memory)') as (memory: Pointer) => void,
  // The C library's, which is found through SQLite's handle.
  memcpy: library.func('void *memcpy(void *to, void *from, size_t n)') as (
    to: Buffer,
    from: Pointer,
    lengthBytes: number,
  ) => Pointer,
}));

const OK = 0;
const BUSY = 5;
const LOCKED = 6;
const ROW = 100;
const DONE = 101;
const OPEN_READONLY = 0x1;
const OPEN_READWRITE = 0x2;
const OPEN_CREATE = 0x4;

/** A busy writer holds its lock for milliseconds. */
const RETRY_MS = 50;
/** 4 MiB of the usual pages: some milliseconds in which the main thread does nothing else. */
const PAGES_A_STEP = 1024;
/** The copy is made in memory. The database behind /etc/pve may not grow beyond 128 MiB. */
const LARGEST_BYTES = 256 * 1024 * 1024;

/**
 * Copies a database that others may be writing, by SQLite's backup API: every row that is committed when the copy begins
 * is in it, those in a write-ahead log too, and none that is not. It is made in memory and not beside its destination,
 * for SQLite's locks and shared memory do not work on every network file system.
 * @returns the bytes of the database file, whose integrity check found nothing
 * @throws LifeboatError FAILED when it cannot be read or is larger than 256 MiB, DAMAGE when the check finds something;
 *   the signal's reason when aborted, which is also the end of waiting for a lock
 */
export async function copyDatabase(path: string, signal: AbortSignal): Promise<Buffer> {
  const source = openDatabase(path, OPEN_READONLY);
  try {
    const copy = openDatabase(':memory:', OPEN_READWRITE | OPEN_CREATE);
    try {
      // One read transaction around it all, or each commit of another process would start the copy anew.
      const began = source.attempt('BEGIN');
      if (began !== OK) source.fail(began);
      // It is the first read that takes the lock.
      await patiently(signal, () => source.attempt('SELECT count(*) FROM sqlite_master'), source.fail);
      await matchPages(source, copy, path, signal);
      await copyPages(source, copy, signal);
      const faults = await copy.rows('PRAGMA integrity_check', signal);
      if (faults.join() !== 'ok')
        throw new LifeboatError('DAMAGE', `Cannot copy "${path}": SQLite's integrity check finds ${faults[0]}`, {
          hint: `look at it: sqlite3 -readonly "${path}" "PRAGMA integrity_check"`,
        });
      return copy.bytes();
    } finally {
      copy.close();
    }
  } finally {
    source.close();
  }
}

type Database = ReturnType<typeof openDatabase>;

function openDatabase(path: string, flags: number) {
  const sqlite = libsqlite3.functions();
  const made = Buffer.alloc(8);
  const code = sqlite.open(path, made, flags, null);
  // SQLite makes an object even where it fails, which tells why.
  const database = ownPointer('SQLite connection', made.readBigUInt64LE(), sqlite.close);
  const fail = (result: number): never => {
    const why = `${sqlite.errorText(database.get())} (${sqlite.codeText(result)})`;
    throw new LifeboatError('FAILED', `Cannot copy "${path}" by SQLite: ${why}`, {
      hint: `see whether SQLite can read it: sqlite3 -readonly "${path}" .schema`,
    });
  };
  if (code !== OK) {
    try {
      fail(code);
    } finally {
      database.close();
    }
  }

  return {
    get: database.get,
    close: database.close,
    fail,
    attempt: (sql: string): number => sqlite.exec(database.get(), sql, null, null, null),

    /** The first column of each row, computed off the main thread. */
    async rows(sql: string, signal: AbortSignal): Promise<string[]> {
      const statementMade = Buffer.alloc(8);
      const prepared = sqlite.prepare(database.get(), sql, -1, statementMade, null);
      if (prepared !== OK) fail(prepared);
      const statement = ownPointer('SQLite statement', statementMade.readBigUInt64LE(), sqlite.finalize);
      const stop = (): void => sqlite.interrupt(database.get());
      signal.addEventListener('abort', stop, { once: true });
      try {
        const found: string[] = [];
        for (;;) {
          signal.throwIfAborted();
          const result = await new Promise<number>((resolve, reject) =>
            sqlite.step.async(statement.get(), (failure, stepped) => (failure ? reject(failure) : resolve(stepped))),
          );
          signal.throwIfAborted();
          if (result === DONE) return found;
          if (result !== ROW) fail(result);
          found.push(sqlite.columnText(statement.get(), 0) ?? '');
        }
      } finally {
        signal.removeEventListener('abort', stop);
        statement.close();
      }
    },

    bytes(): Buffer {
      const sizeBytes = Buffer.alloc(8);
      const memory = ownPointer(
        'copy of a database',
        sqlite.serialize(database.get(), 'main', sizeBytes, 0),
        sqlite.free,
      );
      try {
        const bytes = Buffer.alloc(Number(sizeBytes.readBigInt64LE()));
        sqlite.memcpy(bytes, memory.get(), bytes.length);
        return bytes;
      } finally {
        memory.close();
      }
    },
  };
}

/** A database in memory takes no pages of another size than its own. */
async function matchPages(source: Database, copy: Database, path: string, signal: AbortSignal): Promise<void> {
  const pageBytes = Number((await source.rows('PRAGMA page_size', signal))[0]);
  const pages = Number((await source.rows('PRAGMA page_count', signal))[0]);
  if (pages * pageBytes > LARGEST_BYTES)
    throw new LifeboatError('FAILED', `Cannot copy "${path}": it has ${pages * pageBytes} bytes, more than 256 MiB`, {
      hint: 'copy it by hand: sqlite3 PATH ".backup COPY"',
    });
  const set = copy.attempt(`PRAGMA page_size = ${pageBytes}`);
  if (set !== OK) copy.fail(set);
}

async function copyPages(source: Database, copy: Database, signal: AbortSignal): Promise<void> {
  const sqlite = libsqlite3.functions();
  const made = sqlite.backupInit(copy.get(), 'main', source.get(), 'main');
  const backup = ownPointer('SQLite backup', made, sqlite.backupFinish);
  try {
    let result = OK;
    while (result !== DONE) {
      result = await patiently(signal, () => sqlite.backupStep(backup.get(), PAGES_A_STEP), copy.fail);
      await setImmediate();
      signal.throwIfAborted();
    }
  } finally {
    backup.close();
  }
}

/** Tries again for as long as somebody else holds the lock, and the signal lets it. */
async function patiently(signal: AbortSignal, attempt: () => number, fail: (code: number) => never): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const result = attempt();
    if (result === OK || result === DONE) return result;
    // The lowest byte is the class of an extended code.
    const kind = result & 0xff;
    if (kind !== BUSY && kind !== LOCKED) fail(result);
    await setTimeout(RETRY_MS);
  }
}
