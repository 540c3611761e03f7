import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openControlPort } from './control-port.mjs';
import { kill, startProcess, within } from './lifetime.mjs';

const BOOT_S = 240;
// biome-ignore lint/suspicious/noControlCharactersInRegex: systemd's colours begin with one
const COLOURS_AND_RETURNS = /\x1b\[[0-9;]*m|\r/g;

/** What every machine of ours has in common. Nehalem: AVX is emulated at a high price. */
export function machineArguments(serialLog, accel) {
  return [
    ...['-accel', accel, '-cpu', accel === 'tcg' ? 'Nehalem' : 'host', '-m', '1024', '-smp', '1'],
    ...['-display', 'none', '-nodefaults', '-no-reboot', '-device', 'virtio-rng-pci', '-serial', `file:${serialLog}`],
  ];
}

/** @param {{ file: string, format: 'raw' | 'qcow2', readOnly?: boolean, throwAway?: boolean }} disk */
export function diskArguments({ file, format, readOnly = false, throwAway = false }, index) {
  const drive = `file=${file},format=${format},if=none,id=disk${index}`;
  const manner = `readonly=${readOnly ? 'on' : 'off'},snapshot=${throwAway ? 'on' : 'off'}`;
  return ['-drive', `${drive},${manner}`, '-device', `virtio-blk-pci,drive=disk${index},serial=test-${index}`];
}

/** @param {{ kernel: string, initrd: string }} files for a root file system that is the whole first disk */
export function kernelArguments({ kernel, initrd }, parameters = '') {
  return ['-kernel', kernel, '-initrd', initrd, '-append', `root=/dev/vda rw console=ttyS0 panic=-1 ${parameters}`];
}

/**
 * Boots a machine from the first disk, by its own boot loader or with `direct`, and waits for its agent.
 * @returns `run` and `start` of the control port, `bootS`, `serial()`: what the console showed, and two ways to end it
 */
export async function bootGuest(name, disks, { work, accel, direct }) {
  const serialLog = path.join(work, `${name}.log`);
  const socketPath = path.join(work, `${name}.socket`);
  const started = performance.now();
  const qemu = startProcess('qemu-system-x86_64', [
    ...machineArguments(serialLog, accel),
    ...(direct === undefined ? [] : kernelArguments(direct)),
    ...disks.flatMap(diskArguments),
    ...['-chardev', `socket,id=control,path=${socketPath},server=on,wait=on`, '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=control,name=org.lifeboat.control'],
  ]);
  const serial = async () => (await readFile(serialLog, 'utf8').catch(() => '')).replace(COLOURS_AND_RETURNS, '');
  try {
    const port = await openControlPort(socketPath, qemu);
    await within(BOOT_S, `${name}: boot`, Promise.race([port.ready, qemu.ended.then(() => failed(name, qemu))]));
    const bootS = (performance.now() - started) / 1000;
    const cut = async () => {
      port.close();
      await kill(qemu);
    };
    const powerOff = async () => {
      port.start('systemctl poweroff');
      await within(120, `${name}: power off`, qemu.ended);
    };
    return { name, bootS, run: port.run, start: port.start, serial, cut, powerOff };
  } catch (error) {
    await kill(qemu);
    error.serial = await serial();
    throw error;
  }
}

function failed(name, qemu) {
  throw new Error(`${name}: QEMU ended: ${qemu.said.trim()}`);
}
