import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { $ } from 'zx';
import { startProcess, within } from './lifetime.mjs';

export const SUITE = 'bookworm';
const DEBOOTSTRAP_S = 900;
const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'procps', 'initramfs-tools', 'linux-image-cloud-amd64'],
  ...['grub-pc-bin', 'grub2-common', 'lvm2', 'thin-provisioning-tools', 'e2fsprogs', 'dosfstools', 'fdisk', 'gdisk'],
  ...['partclone', 'sqlite3', 'zstd', 'lz4', 'efibootmgr', 'libdeflate0', 'libisal2', 'libxxhash0', 'libstdc++6'],
];

/** Debian with what a Proxmox host has of it, and the agent, as a directory. */
export async function makeDebianTree(tree, mirror) {
  await debootstrap(tree, mirror);
  await $`find ${tree}/var/cache/apt/archives -name ${'*.deb'} -delete`;
  const put = async (name, text, mode = 0o644) => {
    await mkdir(path.dirname(path.join(tree, name)), { recursive: true });
    await writeFile(path.join(tree, name), text, { mode });
  };
  await put('etc/hostname', 'pve-test\n');
  await put('etc/hosts', '127.0.0.1 localhost\n192.0.2.10 pve-test.example pve-test\n');
  await put(
    'etc/default/grub',
    [
      'GRUB_TIMEOUT=1',
      'GRUB_DISTRIBUTOR=Debian',
      'GRUB_CMDLINE_LINUX="console=ttyS0 net.ifnames=0"',
      'GRUB_TERMINAL=serial',
      'GRUB_DISABLE_OS_PROBER=true\n',
    ].join('\n'),
  );
  const guest = path.join(import.meta.dirname, 'guest');
  await put('usr/local/sbin/test-agent', await readFile(path.join(guest, 'agent')), 0o755);
  await put('etc/systemd/system/test-agent.service', await readFile(path.join(guest, 'agent.service')));
  await $`systemctl --root=${tree} enable test-agent.service`;
  await put('opt/lifeboat/.keep', '');
  await put('mnt/target/.keep', '');
  await copyFile(path.join(guest, 'layout'), path.join(tree, 'layout'));
}

/** In namespaces of its own, so that no mount and no process of it outlives a run that is stopped. */
async function debootstrap(tree, mirror) {
  const alone = ['--mount', '--pid', '--fork', '--kill-child'];
  const wanted = ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, tree];
  const process = startProcess('unshare', [...alone, 'debootstrap', ...wanted, ...(mirror === '' ? [] : [mirror])]);
  const status = await within(DEBOOTSTRAP_S, 'debootstrap', process.ended);
  if (status === 0) return;
  const log = await readFile(path.join(tree, 'debootstrap/debootstrap.log'), 'utf8').catch(() => process.said);
  throw new Error(`debootstrap failed: ${log.trim().split('\n').slice(-3).join('\n')}`);
}

/** The mirror that this machine's apt uses; debootstrap's own choice where that cannot be read. */
export async function mirrorOfThisMachine() {
  const { stdout } = await $`cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources`.nothrow().quiet();
  return /^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?:\/\/\S*\/debian\/?)(?:\s|$)/m.exec(stdout)?.[1] ?? '';
}
