import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { $ } from 'zx';

export async function makeTargetDisk(file) {
  await $`mke2fs -q -F -t ext4 -m 0 -L target ${file} 6G`;
}

/** Takes a directory out of the disk of a machine that was cut off; its journal is replayed first. */
export async function takeFrom(disk, directory, into) {
  const { exitCode, stdout } = await $`e2fsck -fp ${disk}`.nothrow();
  if (exitCode > 1) throw new Error(`The target's file system is damaged: ${stdout}`);
  await mkdir(into, { recursive: true });
  await $`debugfs -R ${`rdump "${directory}" "${into}"`} ${disk}`;
  return path.join(into, path.basename(directory));
}

/** The whole sets below the directory of one host, oldest first: those with a manifest. */
export async function wholeSets(backups, host) {
  const sets = [];
  for (const name of (await readdir(path.join(backups, host))).sort()) {
    const directory = path.join(backups, host, name);
    const files = await readdir(directory).catch(() => []);
    if (files.includes('manifest.json')) sets.push({ directory, files });
  }
  return sets;
}
