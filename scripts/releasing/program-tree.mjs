import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { productionPackages } from './packages.mjs';

/** What scripts/build leaves out of the bundle, what src/host/inventory.ts runs, and what scripts/disaster-restore needs. */
const PACKAGES = ['koffi', 'lz4-napi', '@mongodb-js/zstd', 'xxhash-wasm', 'systeminformation', 'zx'];
/** Of packages: sources, type declarations and manuals are no use on a host, nor is what is for another libc. */
const NEEDED = /(\.(js|cjs|mjs|json|node|wasm)|LICEN[CS]E[^/]*)$/i;
const FOREIGN = /musl[^/]*\/|musl[^/]*\.node$/;

const FILES = [
  ...['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'install.sh', 'bin/lifeboat'],
  ...['scripts/disaster-restore', 'scripts/disaster-restore.mjs'],
  ...['docs/lifeboat.8', 'docs/recovery.md', 'docs/promises.md', 'docs/formats.md', 'docs/hook.md'],
  ...['docs/performance.md', 'docs/vm-test.md'],
];
const DIRECTORIES = ['dist', 'hooks'];
const LICENCES = 'docs/third-party-licences.txt';

/**
 * Copies to `tree` all that runs on a host and nothing else, with SHA256SUMS of it.
 * @throws Error where the checkout is not built, or lacks a package
 */
export async function makeProgramTree(root, tree) {
  const names = [...FILES];
  for (const directory of DIRECTORIES) names.push(...(await filesIn(root, directory)));
  const packages = await productionPackages(root, PACKAGES);
  for (const { directory } of packages) names.push(...(await filesIn(root, directory)).filter(isNeeded));
  for (const name of names) await copy(path.join(root, name), path.join(tree, name));
  await writeFile(path.join(tree, LICENCES), await licences(root), { mode: 0o644 });
  const sums = [];
  for (const name of [...names, LICENCES].sort()) sums.push(`${await sumOf(path.join(tree, name))}  ${name}\n`);
  await writeFile(path.join(tree, 'SHA256SUMS'), sums.join(''), { mode: 0o644 });
}

function isNeeded(name) {
  return NEEDED.test(name) && !FOREIGN.test(name);
}

async function filesIn(root, directory) {
  const entries = await readdir(path.join(root, directory), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.slice(directory.length + 1).includes('node_modules/'));
}

/** A checkout has the modes that its user's umask gave it. */
async function copy(from, to) {
  const { mode } = await stat(from);
  await mkdir(path.dirname(to), { recursive: true });
  await copyFile(from, to);
  await chmod(to, mode & 0o100 && !to.includes('/node_modules/') ? 0o755 : 0o644);
}

/** Of everything in the bundle and beside it: their licences ask for it. */
async function licences(root) {
  const { dependencies } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const texts = ['Lifeboat contains these packages.\n'];
  for (const { name, version, licence, directory } of await productionPackages(root, Object.keys(dependencies))) {
    const file = (await readdir(path.join(root, directory))).find((each) => /^(licen[cs]e|copying)/i.test(each));
    const text = file === undefined ? '' : `\n${await readFile(path.join(root, directory, file), 'utf8')}`;
    texts.push(`\n${'='.repeat(80)}\n${name} ${version}: ${licence}\n${text}`);
  }
  return texts.join('');
}

async function sumOf(file) {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}
