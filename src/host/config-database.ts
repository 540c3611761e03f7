import { pathToFileURL } from 'node:url';
import { runCommand } from '../device/command.js';
import { LifeboatError } from '../error.js';
import { copyDatabase, libsqlite3 } from '../native/libsqlite3.js';
import { fill, type HostFileMaker } from './host-file.js';

/** What /etc/pve is a view of: SQLite with a write-ahead log, written while the host runs. A plain copy may lack commits. */
export const CONFIG_DATABASE = '/var/lib/pve-cluster/config.db';

export interface DatabaseOptions {
  /** For tests: as if the library were not there. */
  library?: boolean;
}

/** A SQLite database, copied by SQLite itself: by its library, else by its shell. Checked. Never by a plain copy. */
export function database(name: string, source: string, options: DatabaseOptions = {}): HostFileMaker {
  const byLibrary = options.library ?? libsqlite3.missing() === undefined;
  return {
    name,
    madeBy: byLibrary ? `SQLite's backup of ${source}` : ['sqlite3', ...shellArguments(source, 'FILE')].join(' '),
    needs: source,
    async make(path, signal) {
      if (byLibrary) await fill(path, await copyDatabase(source, signal));
      else await copyByShell(source, path, signal);
      return undefined;
    },
  };
}

async function copyByShell(source: string, path: string, signal: AbortSignal): Promise<void> {
  const made = await runCommand('sqlite3', shellArguments(source, path), { signal, allowMissing: true });
  if (made === undefined)
    throw new LifeboatError('FAILED', `Cannot copy "${source}": neither SQLite's library nor its shell is installed`, {
      hint: 'apt install libsqlite3-0',
    });
  // Nobody writes the copy, and a file system without shared memory could not open it otherwise.
  const unchanging = `${pathToFileURL(path).href}?immutable=1`;
  const check = await runCommand('sqlite3', ['-batch', unchanging, 'PRAGMA integrity_check'], { signal });
  if (check.stdout.trim() !== 'ok')
    throw new LifeboatError('DAMAGE', `Cannot copy "${source}": SQLite's integrity check finds ${check.stdout.trim()}`);
}

function shellArguments(source: string, path: string): string[] {
  // Quoted for SQLite's shell, which knows the escapes of C.
  const quoted = `"${path.replace(/["\\]/g, '\\$&')}"`;
  return ['-batch', '-readonly', '-cmd', '.timeout 10000', source, `.backup main ${quoted}`];
}
