import { readFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * The packages `names` and all that they need, as far as npm installed them here: of native parts that is this machine's.
 * @returns {Promise<{ name: string, version: string, licence: string, directory: string }[]>} sorted; directories are relative to `root`
 */
export async function productionPackages(root, names) {
  const wanted = new Set(names);
  const found = [];
  // A Set hands out what is added while it is walked.
  for (const name of wanted) {
    const directory = `node_modules/${name}`;
    const manifest = await manifestOf(path.join(root, directory));
    if (manifest === undefined) {
      if (names.includes(name)) throw new Error(`the package ${name} is not installed: npm ci`);
      continue;
    }
    const { version, license, dependencies, optionalDependencies } = manifest;
    found.push({ name, version, licence: license, directory });
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies })) wanted.add(other);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function manifestOf(directory) {
  try {
    return JSON.parse(await readFile(path.join(directory, 'package.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
