import { basename } from 'node:path';
import { runCommand } from '../device/command.js';
import { LifeboatError } from '../error.js';

/** A shared library: the name by which programs ask for it, and where it is here. */
export interface SharedLibrary {
  soname: string;
  path: string;
}

export interface Linked {
  libraries: SharedLibrary[];
  /** The loader; undefined for a program that is linked statically. */
  loader: string | undefined;
}

/**
 * What a program or library is linked with, directly or not.
 * @throws LifeboatError FAILED if a library is not installed
 */
export async function linkedLibraries(path: string, signal: AbortSignal): Promise<Linked> {
  const { stdout, stderr } = (await runCommand('ldd', [path], { signal, okStatuses: [0, 1] })) ?? {};
  return parseLdd(stdout ?? '', stderr ?? '', path);
}

/** @param text of `ldd`: lines as "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f...)" */
export function parseLdd(text: string, complaint: string, path: string): Linked {
  const libraries: SharedLibrary[] = [];
  let loader: string | undefined;
  if (/not a dynamic executable|statically linked/.test(text + complaint)) return { libraries, loader };
  for (const line of text.split('\n').filter((candidate) => candidate.trim() !== '')) {
    const found = /^\t(\S+) => (\/.+) \(0x[0-9a-f]+\)$/.exec(line);
    const direct = /^\t(\/.+) \(0x[0-9a-f]+\)$/.exec(line);
    if (found?.[1] !== undefined && found[2] !== undefined) {
      // The loader is among a library's needs by its path or by its name.
      if (found[1].startsWith('/')) loader = found[2];
      else libraries.push({ soname: found[1], path: found[2] });
    } else if (direct?.[1] !== undefined) {
      if (basename(direct[1]).startsWith('ld-')) loader = direct[1];
      else libraries.push({ soname: basename(direct[1]), path: direct[1] });
    } else if (!/^\tlinux-(vdso|gate)\.so\.1 /.test(line)) {
      throw new LifeboatError('FAILED', `Cannot tell what "${path}" is linked with: ldd says "${line.trim()}"`, {
        hint: 'install the library that is not found',
      });
    }
  }
  if (libraries.length === 0 && loader === undefined)
    throw new LifeboatError(
      'FAILED',
      `Cannot tell what "${path}" is linked with: ${complaint.trim() || 'ldd says nothing'}`,
    );
  return { libraries, loader };
}

/** How `ldconfig -p` marks libraries for this processor. */
const MARKS: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'AArch64' };

/** The named libraries, as far as this host has them. */
export async function installedLibraries(sonames: readonly string[], signal: AbortSignal): Promise<SharedLibrary[]> {
  const result = await runCommand('ldconfig', ['-p'], { signal, allowMissing: true });
  return parseLdconfig(result?.stdout ?? '', MARKS[process.arch]).filter(({ soname }) => sonames.includes(soname));
}

/** @param text of `ldconfig -p`: lines as "libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1" */
export function parseLdconfig(text: string, mark: string | undefined): SharedLibrary[] {
  const found = new Map<string, SharedLibrary>();
  for (const line of text.split('\n')) {
    const [, soname, marks = '', path] = /^\t(\S+) \(([^)]*)\) => (\/.+)$/.exec(line) ?? [];
    if (soname === undefined || path === undefined) continue;
    // Libraries for processors that have more are listed first; a live system may run on another one.
    const isPlain = !/hwcap|x86-64-v\d/.test(marks);
    if (mark !== undefined && marks.split(/, ?/).includes(mark) && isPlain && !found.has(soname))
      found.set(soname, { soname, path });
  }
  return [...found.values()];
}
