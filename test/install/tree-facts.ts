import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** One line for everything below a directory: kind, mode, owner, path, and what it holds. Two such lists can be compared. */
export function treeFacts(root: string, leaveOut: RegExp = /^$/): string[] {
  const facts: string[] = [];
  const walk = (directory: string) => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      const path = `${directory}/${name}`;
      if (leaveOut.test(path)) continue;
      const stats = lstatSync(join(root, path));
      const start = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid} ${path}`;
      if (stats.isDirectory()) facts.push(`d ${start}`);
      else if (stats.isSymbolicLink()) facts.push(`l ${path} -> ${readlinkSync(join(root, path))}`);
      else if (stats.isFile()) facts.push(`f ${start} ${sumOf(join(root, path))}`);
      else facts.push(`other ${start}`);
      if (stats.isDirectory()) walk(path);
    }
  };
  walk('');
  return facts;
}

function sumOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
