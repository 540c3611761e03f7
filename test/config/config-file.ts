import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A directory that is gone after the test. */
export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-config-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** @returns the file's path */
export function configFile(t: TestContext, text: string | Buffer): string {
  const path = join(directory(t), 'config.toml');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
