import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, type TestContext } from 'node:test';
import { execa } from 'execa';

/** Why no test here can run; false if all can. */
export const skip =
  process.getuid?.() !== 0
    ? 'installing needs root'
    : existsSync('dist/main.js')
      ? false
      : 'the project is not built: npm run build';

export interface Ran {
  status: number | undefined;
  /** What it said, errors too. */
  said: string;
}

export interface Release {
  version: string;
  tarball: string;
  deb: string;
  /** The tarball, unpacked. */
  tree: string;
}

const EPOCH_S = 1_700_000_000;

/** Builds a release, once a file of tests. */
export async function makeRelease(): Promise<Release> {
  const base = mkdtempSync(join(tmpdir(), 'lifeboat-release-test-'));
  after(() => rmSync(base, { recursive: true, force: true }));
  await execa(resolve('scripts/release'), ['--out', base], { env: { SOURCE_DATE_EPOCH: String(EPOCH_S) } });
  const version: string = JSON.parse(readFileSync('package.json', 'utf8')).version;
  const name = `lifeboat-${version}-linux-x64`;
  const tarball = join(base, `${name}.tar.xz`);
  await execa('tar', ['-xJf', tarball, '-C', base]);
  return { version, tarball, deb: join(base, `lifeboat_${version}_amd64.deb`), tree: join(base, name) };
}

/** A copy of the unpacked release with other contents of some files, whole in itself. */
export function changedRelease(t: TestContext, release: Release, changes: Record<string, string>): string {
  const tree = join(temporary(t), 'release');
  cpSync(release.tree, tree, { recursive: true });
  let sums = readFileSync(join(tree, 'SHA256SUMS'), 'utf8');
  for (const [name, content] of Object.entries(changes)) {
    writeFileSync(join(tree, name), content);
    const sum = createHash('sha256').update(content).digest('hex');
    sums = sums.replace(new RegExp(`^[0-9a-f]{64} {2}${name.replaceAll('.', '\\.')}$`, 'm'), `${sum}  ${name}`);
  }
  writeFileSync(join(tree, 'SHA256SUMS'), sums);
  return tree;
}

/** The same with another version's number. */
export function nextRelease(t: TestContext, release: Release, version: string, changes: Record<string, string> = {}) {
  const manifest = JSON.parse(readFileSync(join(release.tree, 'package.json'), 'utf8'));
  return changedRelease(t, release, {
    'package.json': `${JSON.stringify({ ...manifest, version }, null, 2)}\n`,
    ...changes,
  });
}

export function temporary(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-install-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The tree of a host: empty, but for the directories that each has. */
export function hostTree(t: TestContext, files: Record<string, string> = {}): string {
  const root = temporary(t);
  for (const directory of ['etc/cron.d', 'usr/local/sbin', 'usr/local/lib', 'usr/local/bin', 'var/lib'])
    mkdirSync(join(root, directory), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(resolve(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), content);
    if (content.startsWith('#!')) chmodSync(join(root, name), 0o755);
  }
  return root;
}

export interface How {
  /** What reads the script. */
  shell?: string[];
  env?: Record<string, string>;
}

/** Runs a release's install.sh on a host's tree; never rejects for its exit status. */
export async function install(tree: string, root: string, args: string[], { shell = ['sh'], env = {} }: How = {}) {
  const [program = '', ...first] = [...shell, join(tree, 'install.sh')];
  const { exitCode, all } = await execa(program, [...first, '--root', root, ...args], {
    ...{ reject: false, all: true, stdin: 'ignore', timeout: 60_000, env },
  });
  return { status: exitCode, said: all };
}
