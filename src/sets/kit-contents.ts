import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LifeboatError } from '../error.js';
import { installedLibraries, type Linked, linkedLibraries, type SharedLibrary } from './kit-libraries.js';
import { KIT_DIRECTORY, type KitFacts, kitLauncher, kitReadme } from './kit-words.js';
import type { TarEntry } from './tar-archive.js';

/** Packages that scripts/build leaves out of the bundle, because they have native parts. */
export const UNBUNDLED_PACKAGES = ['koffi', 'lz4-napi', '@mongodb-js/zstd', 'xxhash-wasm'] as const;

/** What src/native loads to restore an image; a live system may have none of them, or other versions. */
export const CODEC_LIBRARIES = [
  'libzstd.so.1',
  'liblz4.so.1',
  'libdeflate.so.0',
  'libisal.so.2',
  'liblzma.so.5',
  'libbz2.so.1.0',
  'libxxhash.so.0',
  'libz.so.1',
] as const;

/** Where node and the program are. */
export interface KitSources {
  /** The directory with package.json, dist/ and node_modules/. */
  root: string;
  /** The node program. */
  node: string;
  /** Files that node reads at its start, from where it was compiled to. */
  builtins: readonly string[];
}

/**
 * Everything that is in a kit, in a fixed order.
 * @throws LifeboatError FAILED where something that belongs into it is not here
 */
export async function kitEntries(sources: KitSources, facts: KitFacts, signal: AbortSignal): Promise<TarEntry[]> {
  const { root, node, builtins } = sources;
  const modules = packageFiles(root);
  const addons = modules.filter((path) => path.endsWith('.node')).map((path) => join(root, path));
  const libraries = await librariesOf([node, ...addons], signal);
  const entries: TarEntry[] = [
    { name: 'lifeboat', mode: 0o755, content: Buffer.from(kitLauncher(facts)) },
    { name: 'README.txt', mode: 0o644, content: Buffer.from(kitReadme(facts)) },
    entryOf('node', node, 0o755),
    ...libraries.map(({ soname, path }) => entryOf(`lib/${soname}`, path, 0o755)),
    ...builtins.map((path) => entryOf(`builtins${path}`, path, 0o644)),
    ...['package.json', ...distFiles(root), ...modules].map((path) => entryOf(path, join(root, path), 0o644)),
  ];
  return entries.map((entry) => ({ ...entry, name: `${KIT_DIRECTORY}/${entry.name}` }));
}

/**
 * The program that runs, and the node that runs it.
 * @throws LifeboatError FAILED where it runs from a rescue kit, or is not built
 */
export function ownSources(): KitSources {
  const node = process.execPath;
  // In a kit it is the loader that was executed.
  if (/^ld-/.test(node.slice(node.lastIndexOf('/') + 1)))
    throw new LifeboatError('FAILED', 'Cannot make a rescue kit: this runs from one', {
      hint: 'copy the tarball that it was unpacked from',
    });
  return { root: programRoot(), node, builtins: externalBuiltins() };
}

/** The loader of a program that is linked with others; undefined for one that is not. */
export async function loaderOf(node: string, signal: AbortSignal): Promise<string | undefined> {
  return (await linkedLibraries(node, signal)).loader;
}

/** The bundle is dist/run.js; while it is tested it is src/sets/kit-contents.js in a copy of the tree. */
function programRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let directory = start; ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    // dist/ has one that only says that it is CommonJS.
    if (existsSync(manifest) && packageOf(directory).name === 'lifeboat') return directory;
    if (directory === dirname(directory))
      throw new LifeboatError('FAILED', `Cannot find what the program is made of: there is none around "${start}"`);
  }
}

/** Debian compiles such paths in: NODE_SHARED_BUILTIN_ACORN_PATH=/usr/share/nodejs/acorn/dist/acorn.js */
function externalBuiltins(): string[] {
  const { defines = [] } = process.config.target_defaults as { defines?: (string | number)[] };
  return defines.flatMap((define) => {
    const path = /^NODE_SHARED_BUILTIN_\w+_PATH="?(\/[^"]+)"?$/.exec(String(define))?.[1];
    return path === undefined ? [] : [path];
  });
}

async function librariesOf(programs: string[], signal: AbortSignal): Promise<SharedLibrary[]> {
  const codecs = await installedLibraries(CODEC_LIBRARIES, signal);
  const linked: Linked[] = [];
  for (const path of [...programs, ...codecs.map((library) => library.path)])
    linked.push(await linkedLibraries(path, signal));
  const all = new Map<string, string>();
  for (const { soname, path } of [...linked.flatMap(({ libraries }) => libraries), ...codecs])
    if (!all.has(soname)) all.set(soname, path);
  // By node's own loader alone: that of an addon is the same.
  const loader = linked[0]?.loader;
  if (loader === undefined) return [];
  all.set(loader.slice(loader.lastIndexOf('/') + 1), loader);
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([soname, path]) => ({ soname, path }));
}

function distFiles(root: string): string[] {
  const dist = join(root, 'dist');
  if (!existsSync(join(dist, 'main.js')))
    throw new LifeboatError('FAILED', `Cannot make a rescue kit: "${root}" is not built`, {
      hint: `cd "${root}" && npm ci && npm run build`,
    });
  return readdirSync(dist)
    .sort()
    .map((name) => `dist/${name}`);
}

interface PackageManifest {
  name?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

function packageOf(directory: string): PackageManifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as PackageManifest;
}

/** Files of the unbundled packages and of all they depend on, relative to `root`. Of native parts npm installed ours. */
function packageFiles(root: string): string[] {
  const names = new Set<string>(UNBUNDLED_PACKAGES);
  const files: string[] = [];
  // A Set hands out what is added while it is walked.
  for (const name of names) {
    const directory = `node_modules/${name}`;
    if (!existsSync(join(root, directory))) {
      if (!UNBUNDLED_PACKAGES.some((wanted) => wanted === name)) continue;
      throw new LifeboatError('FAILED', `Cannot make a rescue kit: "${join(root, directory)}" is not installed`, {
        hint: `cd "${root}" && npm ci`,
      });
    }
    const { dependencies, optionalDependencies } = packageOf(join(root, directory));
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies })) names.add(other);
    files.push(...neededFiles(root, directory));
  }
  return files.sort();
}

/** Sources, type declarations and manuals are no use on a live system, and the kit's own libc is glibc. */
const NEEDED = /(\.(js|cjs|mjs|json|node|wasm)|LICEN[CS]E[^/]*)$/i;

function neededFiles(root: string, directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && NEEDED.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !/musl.*\.node$/.test(path));
}

function entryOf(name: string, path: string, mode: number): TarEntry {
  const real = realpathSync(resolve(path));
  return { name, mode, content: { path: real, sizeBytes: statSync(real).size } };
}
