// A real Debian in QEMU is saved while it runs and commits rows to a database; what comes back has to boot and to hold
// them. Run it through scripts/test-vm.
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { $, argv, echo } from 'zx';
import { baseDisk, DISK_BYTES } from './vm/base-disk.mjs';
import { startChecks } from './vm/checks.mjs';
import { bootGuest } from './vm/guest.mjs';
import { foundOn, LEFT_OUT } from './vm/left-out.mjs';
import { inWorkDirectory, within } from './vm/lifetime.mjs';
import { programDisk } from './vm/program-disk.mjs';
import { checkNewPool, checkRestoredGuest, checkRootOffline } from './vm/restored-guest.mjs';
import { startRowWriter } from './vm/row-writer.mjs';
import { installService } from './vm/service.mjs';
import { facts } from './vm/source-facts.mjs';
import { makeTargetDisk, takeFrom, wholeSets } from './vm/target-disk.mjs';

const LARGER_BYTES = DISK_BYTES + 2 * 1024 ** 3;
const SAVE_S = 400;
const WHOLE_S = 1500;
const GIB = 1024 ** 3;
const root = path.resolve(import.meta.dirname, '..');
const lifeboatHere = path.join(root, 'bin/lifeboat');
const lifeboat = 'PATH=/opt/lifeboat/node/bin:$PATH /opt/lifeboat/bin/lifeboat';
const backups = '/mnt/target/backups';

$.quiet = true;
const begun = performance.now();
const checks = startChecks();
const { check } = checks;
const accel = argv.accel ?? 'tcg';

try {
  await inWorkDirectory(argv.work ?? os.tmpdir(), main);
} catch (error) {
  check(error.stderr?.trim() || error.message, false);
  if (error.serial) echo(`\nThe serial console, its end:\n${error.serial.split('\n').slice(-60).join('\n')}`);
}
echo(checks.failed.length === 0 ? '\nEverything came back.' : `\nFAILED: ${checks.failed.join('; ')}`);
process.exitCode = checks.failed.length === 0 ? 0 : 1;

async function main(work) {
  try {
    const cache = argv.cache ?? path.join(os.homedir(), '.cache/lifeboat-vm');
    const base = await baseDisk({ cache, work, accel, mirror: argv.mirror, say });
    const disks = await makeDisks(base, work);
    const saved = await saveWhileItRuns(disks, work);
    const sets = await fetchSets(disks.target.file, work);
    await restoreHere(sets[0], saved, work);
    await restoreToLarger(sets[0], saved, { ...disks, live: base.live }, work);
  } finally {
    if (argv.keep !== undefined) await keepLogs(work, argv.keep);
  }
}

async function makeDisks(base, work) {
  const boot = { file: path.join(work, 'boot.qcow2'), format: 'qcow2' };
  await $`qemu-img create -q -f qcow2 -b ${base.disk} -F qcow2 ${boot.file}`;
  const onBase = await foundOn(base.disk);
  check('what must be left out is on the disk', onBase.length === LEFT_OUT.length, onBase);
  const program = { file: path.join(work, 'program.img'), format: 'raw', readOnly: true };
  await programDisk(program.file, { root, work });
  const target = { file: path.join(work, 'target.img'), format: 'raw' };
  await makeTargetDisk(target.file);
  return { boot, program, target };
}

/** Passes one and two, in one machine: a set, the time of reading the whole disk, a run that is killed, and the next. */
async function saveWhileItRuns({ boot, program, target }, work) {
  say('Booting the host');
  const guest = await bootGuest('host', [boot, program, target], { work, accel });
  return showingItsConsole(guest, async () => {
    await settle(guest);
    await mountDisks(guest);
    const rows = await startRowWriter(guest);
    const saved = await facts(guest);

    say('Making the rescue kit, which changes with the version only');
    await guest.run(`mkdir ${backups} && ${lifeboat} rescue-kit ${backups}`, SAVE_S);
    saved.rowsBefore = rows.last();
    say(`Saving it while it runs, at row ${saved.rowsBefore}`);
    // By name: auto would choose by how busy the host is, and what is compared has to be alike.
    const set = await timedRun(guest, `${lifeboat} boot --to ${backups} -c zstd`);
    saved.rowsAfter = rows.last();
    echo(set.output.replace(/^/gm, '    '));
    const volumes = await guest.run('lvs --noheadings -o lv_name,lv_role,lv_tags');
    check('no snapshot is left behind', !/snapshot/.test(volumes), volumes);
    const perUsed = set.readBytes / saved.usedBytes;
    const inWords = `${gib(set.readBytes)} for ${gib(saved.usedBytes)} in use`;
    check(`bytes read by the disk's own count: ${perUsed.toFixed(3)} of those in use (${inWords})`, perUsed <= 1.1);

    say('Reading the whole disk, for comparison');
    const whole = await timedRun(
      guest,
      `${lifeboat} image /dev/vda -o /mnt/target/whole.img.zst -c zstd --verify`,
      WHOLE_S,
    );
    await guest.run('rm /mnt/target/whole.img.zst*');
    const share = set.tookS / whole.tookS;
    check(
      `time: ${set.tookS.toFixed(1)} s, ${share.toFixed(2)} of the ${whole.tookS.toFixed(1)} s for all of it`,
      share < 1 / 3,
    );

    await killAndRunAgain(guest);
    await guest.cut();
    return saved;
  });
}

async function killAndRunAgain(guest) {
  say('Killing a run in the middle');
  const run = guest.start(`echo $$; exec env ${lifeboat} boot --to ${backups}`);
  const snapshots = async () => (await guest.run('lvs --noheadings -o lv_name @lifeboat_snapshot')).trim();
  await within(
    SAVE_S,
    'No snapshot appears',
    until(async () => (await snapshots()) !== ''),
  );
  await sleep(3000);
  await guest.run(`kill -KILL ${run.lines[0]}`);
  await within(30, 'The killed run does not end', run.ended);
  const left = await snapshots();
  check('a killed run leaves its snapshot', left !== '', left);

  await installService(guest, { to: backups });
  const { status, output } = await within(SAVE_S, 'The service', guest.start('systemctl start lifeboat.service').ended);
  const log = await guest.run('journalctl --output cat --unit lifeboat.service');
  echo(log.replace(/^/gm, '    '));
  check('the next run, by the hardened systemd service, makes a set', status === 0, output + log);
  const after = await snapshots();
  check('it removes that snapshot, and its own', after === '', after);
  const history = await guest.run('tail -n 1 /var/lib/lifeboat/history.jsonl');
  check('the history has it', /"exitStatus":0/.test(history) && /"consistency":"snapshot"/.test(history), history);
}

async function fetchSets(target, work) {
  say('Taking the sets from the disk of the machine that was cut off');
  const here = await takeFrom(target, '/backups', path.join(work, 'fetched'));
  const sets = await wholeSets(here, 'pve-test');
  check('two runs came to their end, and two sets are whole', sets.length === 2, sets);
  for (const { directory, files } of sets) {
    await $({ cwd: directory })`sha256sum --check --quiet SHA256SUMS`;
    await $`${lifeboatHere} verify ${directory}`;
    const wanted = ['SHA256SUMS', 'RECOVERY.md', 'restore.sh', 'backup.log', 'host'];
    const lacking = wanted.filter((name) => !files.includes(name));
    // Its codec is the run's choice.
    if (!files.some((name) => /^boot-disk\.img\.(zst|lz4)$/.test(name))) lacking.push('boot-disk.img');
    check(`${path.basename(directory)} is whole and verifies`, lacking.length === 0, lacking);
  }
  return sets;
}

async function restoreHere(set, saved, work) {
  say('Restoring it to a fresh disk of the same size');
  const disk = { file: path.join(work, 'restored.img'), format: 'raw' };
  await $`${lifeboatHere} restore ${set.directory} -o ${disk.file}`;
  const found = await foundOn(disk.file);
  check('guests, free space, swap and deleted files are not in it', found.length === 0, found);
  await checkRootOffline(disk.file, saved.rootOffset, checks);
  await bootAndCheck('restored', disk, saved, work);
  await $`rm ${disk.file}`;
}

/** As on the worst day: a live system, the disk with the sets, and a new disk that is larger. */
async function restoreToLarger(set, saved, { live, program, target }, work) {
  say('Restoring it from a live system to a larger disk');
  const disk = { file: path.join(work, 'larger.img'), format: 'raw' };
  await $`truncate -s ${LARGER_BYTES} ${disk.file}`;
  const system = { file: live.disk, format: 'raw', throwAway: true };
  const guest = await bootGuest('live', [system, program, target, disk], { work, accel, direct: live });
  await showingItsConsole(guest, async () => {
    await settle(guest);
    await mountDisks(guest);
    const from = `${backups}/pve-test/${path.basename(set.directory)}`;
    const output = await guest.run(`${lifeboat} restore ${from} -o /dev/vdd --confirm vdd`, SAVE_S);
    echo(output.replace(/^/gm, '    '));
    await guest.powerOff();
  });
  const table = await $`sgdisk --verify ${disk.file}`.nothrow();
  check('the backup GPT is at the end of the larger disk', /No problems found/.test(table.stdout), table.stdout);
  await bootAndCheck('larger', disk, saved, work, async (restored) => {
    await checkNewPool(restored, await readFile(path.join(set.directory, 'RECOVERY.md'), 'utf8'), checks);
  });
}

async function bootAndCheck(name, disk, saved, work, further = async () => undefined) {
  say(`Booting the ${name} disk`);
  const guest = await bootGuest(name, [disk], { work, accel });
  await showingItsConsole(guest, async () => {
    await checkRestoredGuest(guest, saved, checks);
    await further(guest);
    await guest.cut();
  });
}

async function timedRun(guest, command, limitS = SAVE_S) {
  const sectorsRead = async () => Number((await guest.run('cat /sys/block/vda/stat')).trim().split(/\s+/)[2]);
  await guest.run('sync; echo 3 > /proc/sys/vm/drop_caches');
  const before = await sectorsRead();
  const start = performance.now();
  const output = await guest.run(command, limitS);
  const tookS = (performance.now() - start) / 1000;
  return { output, tookS, readBytes: ((await sectorsRead()) - before) * 512 };
}

async function mountDisks(guest) {
  await guest.run('mount -o ro LABEL=program /opt/lifeboat && mount LABEL=target /mnt/target');
}

async function settle(guest) {
  await within(180, 'The boot does not come to its end', guest.start('systemctl is-system-running --wait').ended);
}

/** The end of the console goes with any error. */
async function showingItsConsole(guest, action) {
  try {
    return await action();
  } catch (error) {
    error.serial = await guest.serial();
    await guest.cut();
    throw error;
  }
}

async function until(condition) {
  while (!(await condition())) await sleep(500);
}

async function keepLogs(work, directory) {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(work)) {
    if (name.endsWith('.log')) await copyFile(path.join(work, name), path.join(directory, name));
  }
  const recovery = await $`find ${work}/fetched -name RECOVERY.md -o -name manifest.json -o -name backup.log`.nothrow();
  for (const file of recovery.stdout.split('\n').filter(Boolean).slice(0, 3)) {
    await copyFile(file, path.join(directory, path.basename(file)));
  }
}

function say(text) {
  const seconds = ((performance.now() - begun) / 1000).toFixed(0).padStart(4);
  echo(`${seconds} s  ${text}`);
}

function gib(bytes) {
  return `${(bytes / GIB).toFixed(2)} GiB`;
}
