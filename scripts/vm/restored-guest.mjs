import { $ } from 'zx';
import { within } from './lifetime.mjs';
import { readRows } from './row-writer.mjs';

const SETTLE_S = 180;

/** A forced check of the root file system, before anything could repair it by a boot. */
export async function checkRootOffline(disk, rootOffset, { check }) {
  const { exitCode, stdout, stderr } = await $`e2fsck -fn ${`${disk}?offset=${rootOffset}`}`.nothrow();
  check('fsck of the restored root file system finds nothing', exitCode === 0, stdout + stderr);
}

/**
 * What a restored host must be when it has booted by itself.
 * @param {{ rowsBefore: number, rowsAfter: number, espSum: string }} expected
 */
export async function checkRestoredGuest(guest, expected, { check }) {
  check(`it boots (${guest.bootS.toFixed(0)} s)`, true);
  const settling = guest.start('systemctl is-system-running --wait').ended;
  const { output: state } = await within(SETTLE_S, 'The boot does not come to its end', settling);
  const units = await guest.run('systemctl list-units --failed --plain --no-legend');
  check('the boot comes to its end, no unit fails', units.trim() === '', `${state}: ${units}`);

  const fsck = await guest.run('journalctl -b -o cat -u systemd-fsck-root');
  check('fsck at boot calls the root file system clean', /clean/.test(fsck), fsck);
  const swaps = await guest.run('swapon --show=NAME --noheadings');
  check('swap is on', swaps.trim() !== '', swaps);
  const mounted = await guest.run(
    'findmnt --noheadings --output SOURCE /boot/efi; sha1sum < /boot/efi/EFI/BOOT/BOOTX64.EFI',
  );
  check('the ESP is mounted, its files are the same', mounted.includes(expected.espSum), mounted);
  const packages = await guest.start('dpkg --verify').ended;
  check('every file of every package is the same', packages.output.trim() === '', packages.output);

  const volumes = await guest.run('lvs -a --noheadings --separator "|" -o lv_name,lv_role,lv_tags,lv_active');
  check('lvs shows no snapshot', !/snapshot|lifeboat/.test(volumes), volumes);
  check('the thin pool is inactive', !/^\s*(data|vm-100-disk-0)\|.*\|active/m.test(volumes), volumes);

  const rows = await readRows(guest);
  check("SQLite's integrity check passes", rows.integrity === 'ok', rows);
  check('no row is missing among those saved', rows.count === rows.last, rows);
  check(
    `rows up to ${rows.last}: all ${expected.rowsBefore} from before the run, none from after it`,
    rows.last >= expected.rowsBefore && rows.last <= expected.rowsAfter,
    { ...rows, ...expected },
  );
}

/** The lines that RECOVERY.md gives for making the pool anew, typed as they stand there; then a guest's disk is made in it. */
export async function checkNewPool(guest, recoveryNotes, { check }) {
  const lines = recoveryNotes.match(/^ *lv(remove|create) .*$/gm) ?? [];
  check('RECOVERY.md has the lines that make the pool anew', lines.length === 2, lines);
  const { status, output } = await guest.start(`set -e\n${lines.join('\n')}`).ended;
  check('they do so', status === 0, output);
  const disk = await guest.start(
    `set -e
    lvcreate --yes --virtualsize 1G --thin pve/data --name vm-100-disk-0
    echo restored > /dev/pve/vm-100-disk-0; sync; head -n 1 /dev/pve/vm-100-disk-0`,
  ).ended;
  check("a guest's disk can be made in it again", disk.status === 0 && /restored$/.test(disk.output), disk.output);
}
