// A release: tarball, Debian package, sums. Run it through scripts/release.
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { $, echo } from 'zx';
import { makeDebianPackage } from './releasing/debian-package.mjs';
import { makeProgramTree } from './releasing/program-tree.mjs';

const HELP = `scripts/release [--out DIR] | --tree DIR

Writes lifeboat-VERSION-linux-x64.tar.xz, lifeboat_VERSION_amd64.deb and SHA256SUMS to DIR (default: release).
The same commit gives the same bytes; SOURCE_DATE_EPOCH sets their date, without it the last commit's.

  --tree DIR   only the tree that the tarball holds; install.sh takes this in a checkout`;

const root = path.resolve(import.meta.dirname, '..');
$.verbose = false;
try {
  await main();
} catch (error) {
  process.stderr.write(`scripts/release: ${error.stderr || error.message}\n`);
  process.exitCode = 1;
}

async function main() {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, tree: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) return echo(HELP);
  process.umask(0o022);
  if (values.tree !== undefined) return void (await makeProgramTree(root, path.resolve(values.tree)));

  const out = path.resolve(values.out ?? 'release');
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const dateS = await dateOfSource();
  await mkdir(out, { recursive: true });
  const work = await mkdtemp(path.join(tmpdir(), 'lifeboat-release-'));
  try {
    await chmod(work, 0o755);
    const name = `lifeboat-${version}-linux-x64`;
    await makeProgramTree(root, path.join(work, name));
    const tarball = path.join(out, `${name}.tar.xz`);
    await makeTarball(work, name, tarball, dateS);
    const made = [tarball, await makeDebianPackage({ root, work, out, version, dateS })];
    await writeFile(path.join(out, 'SHA256SUMS'), await sumsOf(made));
    for (const file of made) echo(`${file}: ${((await readFile(file)).length / 1e6).toFixed(1)} MB`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeTarball(directory, name, file, dateS) {
  const same = ['--sort=name', `--mtime=@${dateS}`, '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];
  // One thread: with more of them xz cuts blocks, and needs as much memory again.
  await $`tar ${same} -C ${directory} -cf - ${name} | xz -6 -T1 >${file}.partial && mv ${file}.partial ${file}`;
}

async function dateOfSource() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) {
    if (!/^\d+$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH="${given}" is no number of seconds`);
    return Number(given);
  }
  return Number((await $`git -C ${root} log -1 --format=%ct`).stdout);
}

async function sumsOf(files) {
  const lines = [];
  for (const file of files) {
    const sum = createHash('sha256').update(await readFile(file));
    lines.push(`${sum.digest('hex')}  ${path.basename(file)}\n`);
  }
  return lines.join('');
}
