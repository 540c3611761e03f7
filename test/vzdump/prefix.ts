import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';

/** A lifeboat of a test's own: the built program and its hook in a directory, with its own configuration and history. */
export interface Prefix {
  directory: string;
  /** What a test gives vzdump as its `script:`. */
  hook: string;
  hooksDirectory: string;
  dumpDirectory: string;
  historyDirectory: string;
  /** What was done with the history so far, one object a line. */
  rows(): Record<string, unknown>[];
  /** Puts a hook into hooks.d; `body` is sh, with $HERE and $NOTES. @returns its path */
  chain(name: string, body: string): string;
  /** What chained hooks and the boot disk's run have written by `echo ... >>"$NOTES"`. */
  notes(): string[];
}

export interface PrefixOptions {
  /** Of config.toml, behind `directory` of [history]. Undefined: there is no configuration. */
  config?: string | undefined;
  /** What `lifeboat boot` does, in sh, with $HERE and $NOTES; a real one would image this machine's disk. */
  boot?: string;
}

const CHECKOUT = resolve('.');
const EXECUTABLE = 0o755;

export function makePrefix(t: TestContext, { config, boot = 'exit 0' }: PrefixOptions = {}): Prefix {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-vzdump-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const place = (name: string) => join(directory, name);
  const notesPath = place('notes');
  const script = (path: string, body: string) => {
    writeFileSync(path, `#!/bin/sh\nHERE='${directory}'\nNOTES=$HERE/notes\n${body}\n`, { mode: EXECUTABLE });
    return path;
  };
  for (const name of ['bin', 'hooks', 'etc', 'etc/hooks.d', 'dump']) mkdirSync(place(name));
  cpSync(join(CHECKOUT, 'dist'), place('dist'), { recursive: true });
  cpSync(join(CHECKOUT, 'package.json'), place('package.json'));
  cpSync(join(CHECKOUT, 'hooks/vzdump-hook'), place('hooks/vzdump-hook'));
  symlinkSync(join(CHECKOUT, 'node_modules'), place('node_modules'));
  // The real launcher, which finds its tree by the name of what was started.
  script(place('bin/lifeboat'), `if [ "$1" = boot ]; then\n${boot}\nexit\nfi\n. '${CHECKOUT}/bin/lifeboat'`);
  // vzdump's environment is empty, so this is how a test's configuration is found.
  script(
    place('vzdump-hook'),
    `LIFEBOAT_CONFIG='${place('etc/config.toml')}'\nexport LIFEBOAT_CONFIG\nexec '${place('hooks/vzdump-hook')}' "$@"`,
  );
  const historyDirectory = place('history');
  if (config !== undefined)
    writeFileSync(place('etc/config.toml'), `history.directory = "${historyDirectory}"\n${config}\n`, { mode: 0o600 });
  return {
    directory,
    hook: place('vzdump-hook'),
    hooksDirectory: place('etc/hooks.d'),
    dumpDirectory: place('dump'),
    historyDirectory,
    rows: () => linesOf(join(historyDirectory, 'history.jsonl')).map((line) => JSON.parse(line)),
    chain: (name, body) => script(join(place('etc/hooks.d'), name), body),
    notes: () => linesOf(notesPath),
  };
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
