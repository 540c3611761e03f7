import { LifeboatError } from '../error.js';
import type { Codec, EngineName } from './codec.js';

/** @throws LifeboatError FAILED if this host lacks what the engine needs */
export function requireEngine(codec: Codec, engine: EngineName): void {
  const missing = codec.missing(engine);
  if (missing !== undefined) throw new LifeboatError('FAILED', missing);
}

/** What an encoder needs: the engine, and a level that it has. */
export function requireEncoder(codec: Codec, engine: EngineName, level: number): void {
  requireEngine(codec, engine);
  const range = codec.levels(engine);
  if (range === undefined || (Number.isInteger(level) && level >= range.min && level <= range.max)) return;
  const message = `${codec.name} has no level ${level}: its ${engine} engine takes ${range.min} to ${range.max}`;
  throw new LifeboatError('USAGE', message);
}

/** @param missing as a native binding says it */
export function nativeMissing(codec: string, missing: string | undefined): string | undefined {
  return missing === undefined ? undefined : `${codec}'s native engine needs ${missing}`;
}

/** For a codec of which no npm package was good enough. */
export function noPortableEngine(codec: string, debianPackage: string): string {
  return `${codec} has no portable engine: apt install ${debianPackage} for its native one`;
}

/** Whether an npm package with a compiled part works on this processor. */
export function packageMissing(codec: string, name: string, load: () => unknown): string | undefined {
  try {
    load();
    return undefined;
  } catch {
    return `${codec}'s portable engine needs the npm package ${name}: npm ci`;
  }
}
