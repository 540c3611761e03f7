import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import { execa } from 'execa';
import type { Ran } from './release.js';

/** Proxmox VE 9 is Debian 13; its nodejs is 20.19, the oldest that Lifeboat runs on. */
const SUITE = 'trixie';
const PACKAGES = ['nodejs', 'systemd', 'xz-utils'];
/** Kept in apt's cache and not installed: what the package of Lifeboat depends on, so that apt has something to do. */
const DEPENDENCIES = ['libdeflate0'];
const SCRIPT = `
set -e
debootstrap --variant=minbase --include="$3" "$1" "$2" $5
cp /etc/resolv.conf "$2/etc/resolv.conf"
mount --bind /dev "$2/dev"
chroot "$2" sh -ec "apt-get update -qq; apt-get install -qq --download-only --no-install-recommends $4"`;
const MAKING_MS = 900_000;
const COMMAND_MS = 120_000;

/** In namespaces of their own, so that no mount and no process outlives a test that is stopped. */
const ALONE = ['--mount', '--pid', '--fork', '--kill-child'];

export const noDebian =
  process.getuid?.() !== 0
    ? 'a Debian root needs root'
    : ['/usr/sbin/debootstrap', '/usr/share/debootstrap/scripts/trixie'].every(existsSync)
      ? false
      : 'debootstrap is not installed, or does not know Debian 13';

export interface DebianRoot {
  root: string;
  /** Runs a shell command in it as root; never rejects for its exit status. */
  run(command: string): Promise<Ran>;
  /** Copies a file into its /root. */
  put(file: string): void;
}

/** A Debian 13 of one's own, as a directory: a copy of one that is made once (some 40 s) and kept. */
export async function debianRoot(t: TestContext): Promise<DebianRoot> {
  const made = await cachedRoot();
  const base = mkdtempSync(join(tmpdir(), 'lifeboat-debian-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const root = join(base, 'root');
  await execa('cp', ['--archive', '--reflink=auto', made, root]);
  return {
    root,
    async run(command) {
      const inside = 'mount -t proc proc "$1/proc"; mount --bind /dev "$1/dev"; exec chroot "$1" sh -c "$2" </dev/null';
      const { exitCode, all } = await execa('unshare', [...ALONE, 'sh', '-ec', inside, 'sh', root, command], {
        ...{ reject: false, all: true, timeout: COMMAND_MS, extendEnv: false },
        env: {
          PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          HOME: '/root',
          DEBIAN_FRONTEND: 'noninteractive',
          LC_ALL: 'C.UTF-8',
        },
      });
      return { status: exitCode, said: all };
    },
    put: (file) => copyFileSync(file, join(root, 'root', basename(file))),
  };
}

async function cachedRoot(): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const mirror = await mirrorOfThisMachine();
  const recipe = createHash('sha256').update([SUITE, ...PACKAGES, ...DEPENDENCIES, SCRIPT].join());
  const kept = join(cache, 'lifeboat-install', `${SUITE}-${recipe.digest('hex').slice(0, 12)}`);
  if (existsSync(kept)) return kept;
  mkdirSync(join(kept, '..'), { recursive: true });
  const making = mkdtempSync(`${kept}.`);
  try {
    const args = [SUITE, making, PACKAGES.join(), DEPENDENCIES.join(' '), mirror];
    await execa('unshare', [...ALONE, 'sh', '-c', SCRIPT, 'sh', ...args], { timeout: MAKING_MS, stdin: 'ignore' });
    await execa('chmod', ['755', making]);
    // Another run may have been quicker.
    if (!existsSync(kept)) renameSync(making, kept);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return kept;
}

/** debootstrap's own choice where that cannot be read. */
async function mirrorOfThisMachine(): Promise<string> {
  const files = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources'].filter((file) => existsSync(file));
  const text = files.map((file) => readFileSync(file, 'utf8')).join('\n');
  return /^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?:\/\/\S*\/debian\/?)(?:\s|$)/m.exec(text)?.[1] ?? '';
}
