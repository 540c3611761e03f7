import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { $ } from 'zx';

const IN_EVERY_DEBIAN = /^(linux-vdso|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s)\.so|.*\/ld-linux)/;

/** An ext4 image with the built project, the modules it needs, and the node that runs this, in node/bin. */
export async function programDisk(file, { root, work }) {
  const tree = path.join(work, 'program');
  await mkdir(path.join(tree, 'node/bin'), { recursive: true });
  await requireLoneNode();
  await cp(process.execPath, path.join(tree, 'node/bin/node'));
  const { stdout } = await $({ cwd: root })`npm ls --omit=dev --all --parseable`;
  const modules = stdout.split('\n').filter((directory) => directory.startsWith(path.join(root, 'node_modules')));
  for (const from of [
    'bin',
    'dist',
    'hooks',
    'scripts',
    'package.json',
    ...modules.map((name) => path.relative(root, name)),
  ]) {
    await cp(path.join(root, from), path.join(tree, from), { recursive: true });
  }
  const mib = Number.parseInt((await $`du -sm ${tree}`).stdout, 10);
  await $`mke2fs -q -F -t ext4 -m 0 -L program -d ${tree} ${file} ${Math.ceil(mib * 1.2) + 64}M`;
  await $`rm -rf ${tree}`;
}

async function requireLoneNode() {
  const { stdout } = await $`ldd ${process.execPath}`;
  const others = stdout
    .split('\n')
    .map((line) => line.trim().split(' ')[0])
    .filter((name) => name !== '' && !IN_EVERY_DEBIAN.test(name));
  if (others.length === 0) return;
  throw new Error(
    `Cannot take ${process.execPath} into the guest: it needs ${others.join(', ')}. ` +
      'Run this with a node that stands by itself, from nodejs.org or NodeSource',
  );
}
