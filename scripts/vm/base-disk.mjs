import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { $ } from 'zx';
import { makeDebianTree, mirrorOfThisMachine, SUITE } from './debian-tree.mjs';
import { diskArguments, kernelArguments, machineArguments } from './guest.mjs';
import { startProcess, within } from './lifetime.mjs';

export const DISK_BYTES = 8 * 1024 ** 3;
const RECIPE = ['base-disk.mjs', 'debian-tree.mjs', 'guest/agent', 'guest/agent.service', 'guest/layout'];
const LAYOUT_S = 600;

/**
 * A bootable Debian 12 with the layout of Proxmox's installer, and the same Debian as a live system without it, made
 * once and kept in `cache`. Loop devices have no partitions everywhere, nor every kernel device-mapper, so the live
 * system makes the disk in a machine of its own.
 * @returns {Promise<{ disk: string, live: { disk: string, kernel: string, initrd: string } }>} not to be written to
 */
export async function baseDisk({ cache, work, accel, mirror, say }) {
  const directory = path.join(cache, `${SUITE}-${await recipeHash()}`);
  const files = filesIn(directory);
  if (await exists(directory)) return files;
  say('Making the base disk (once, some minutes)');
  const making = path.join(work, 'base');
  await mkdir(making);
  const made = filesIn(making);
  await makeLiveSystem(made.live, work, mirror ?? (await mirrorOfThisMachine()));
  await makeUsedDisk(made, work);
  await layOut(made, work, accel);
  // Perhaps on to another file system, where a move takes its time.
  await mkdir(cache, { recursive: true });
  await $`rm -rf ${directory}.partial`;
  await $`mv -T ${making} ${directory}.partial`;
  await $`mv -T ${directory}.partial ${directory}`;
  return files;
}

async function makeLiveSystem(live, work, mirror) {
  const tree = path.join(work, 'tree');
  await makeDebianTree(tree, mirror);
  await $`mke2fs -q -F -t ext4 -d ${tree} ${live.disk} 3G`;
  const boot = path.join(tree, 'boot');
  const names = await readdir(boot);
  for (const [prefix, file] of Object.entries({ 'vmlinuz-': live.kernel, 'initrd.img-': live.initrd })) {
    await $`cp ${path.join(boot, names.find((name) => name.startsWith(prefix)) ?? prefix)} ${file}`;
  }
  await $`rm -rf ${tree}`;
}

/**
 * A disk that has been in use before: where nothing is now, there are old files, and not the zeros of a new file, which
 * nobody's disk has and which cost next to nothing to image.
 */
async function makeUsedDisk({ disk, live }, work) {
  const [old, raw] = [path.join(work, 'old.tar'), path.join(work, 'used.raw')];
  await $`debugfs -R ${`rdump /usr ${work}`} ${live.disk}`;
  await $`tar --create --file ${old} --directory ${work} usr`;
  const { size } = await stat(old);
  for (let bytes = 0; bytes < DISK_BYTES; bytes += size)
    await $`dd if=${old} of=${raw} bs=4M oflag=append conv=notrunc`;
  await $`truncate --size ${DISK_BYTES} ${raw}`;
  await $`qemu-img convert -f raw -O qcow2 ${raw} ${disk}`;
  await $`rm -r ${old} ${raw} ${path.join(work, 'usr')}`;
}

async function layOut({ disk, live }, work, accel) {
  const serialLog = path.join(work, 'layout.log');
  const disks = [
    { file: live.disk, format: 'raw', throwAway: true },
    { file: disk, format: 'qcow2' },
  ];
  const qemu = startProcess('qemu-system-x86_64', [
    ...machineArguments(serialLog, accel),
    ...kernelArguments(live, 'init=/layout'),
    ...disks.flatMap(diskArguments),
  ]);
  await within(LAYOUT_S, 'The base disk', qemu.ended).catch(() => undefined);
  const serial = await readFile(serialLog, 'utf8').catch(() => '');
  if (serial.includes('lifeboat-vm: the base disk is made')) return;
  throw Object.assign(new Error(`The base disk cannot be made ${qemu.said.trim()}`), { serial });
}

function filesIn(directory) {
  const file = (name) => path.join(directory, name);
  return {
    disk: file('disk.qcow2'),
    live: { disk: file('live.img'), kernel: file('vmlinuz'), initrd: file('initrd.img') },
  };
}

async function recipeHash() {
  const hash = createHash('sha256');
  for (const name of RECIPE) hash.update(await readFile(path.join(import.meta.dirname, name)));
  return hash.digest('hex').slice(0, 12);
}

async function exists(file) {
  return access(file).then(
    () => true,
    () => false,
  );
}
