// A restore step by step, for a person on the worst day. Run it through scripts/disaster-restore.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { $, echo, question } from 'zx';

const HELP = `scripts/disaster-restore [DIR...] [options]

Finds the sets in each DIR (without: on all mounted disks and shares), shows them, proves the one you choose, asks for the
disk to overwrite by its name, twice, restores the set, reads it back, and says what is left to do.

  --set SET            this set, do not ask
  --target DISK        on to this disk, do not ask: /dev/sdX
  --yes-destroy NAME   for scripts: the disk's name, instead of typing it twice
  --shrink-tail        a smaller disk will do, if what does not fit is empty
  --skip-verify        do not prove the set first: it was done just now
  --help

On a live system without Node.js use the rescue kit beside the sets: ./lifeboat restore SET -o /dev/sdX --confirm sdX`;

const STATUS = { failed: 1, usage: 64 };
/** DIR/HOSTNAME/DATE; a share is often mounted one or two above DIR. */
const SEARCH_DEPTH = 4;
const root = path.resolve(import.meta.dirname, '..');
const lifeboat = path.join(root, 'bin/lifeboat');
const from = process.env.LIFEBOAT_FROM ?? process.cwd();

class RestoreError extends Error {
  constructor(message, status = STATUS.failed) {
    super(message);
    this.status = status;
  }
}

$.verbose = false;
try {
  await main();
} catch (error) {
  process.stderr.write(`scripts/disaster-restore: ${error.message}\n`);
  process.exitCode = error instanceof RestoreError ? error.status : (error.exitCode ?? STATUS.failed);
}

async function main() {
  const { values, positionals } = parse();
  if (values.help) return echo(HELP);
  const isAsking = process.stdin.isTTY === true;
  if (!isAsking && (values.set === undefined || values.target === undefined || values['yes-destroy'] === undefined))
    throw new RestoreError('nobody is there to be asked: give --set, --target and --yes-destroy', STATUS.usage);

  const set = values.set === undefined ? await chooseSet(positionals) : await readSet(path.resolve(from, values.set));
  echo(`\nThe set: ${inWords(set)}\n  ${set.path}`);
  for (const warning of set.manifest.warnings) echo(`  warning of the run that made it: ${warning}`);
  if (!values['skip-verify']) {
    echo('\nIs it whole? Its image is decoded, all else is compared with SHA256SUMS.');
    await run(
      ['verify', set.path],
      'This set is not whole: choose another one. "lifeboat restore --salvage" gets out what is good',
    );
  }

  const target = values.target ?? (await chooseDisk(set));
  const name = path.basename(target);
  await confirm(name, values['yes-destroy'], set);
  const flags = values['shrink-tail'] ? ['--shrink-tail'] : [];
  await run(
    ['restore', set.path, '-o', target, '--confirm', name, '--check', ...flags],
    `${target} does not hold the whole set. What stands above says why`,
  );
  echo(`\nRead this before the first start: ${path.join(set.path, 'RECOVERY.md')}`);
}

function parse() {
  try {
    return parseArgs({
      args: process.argv.slice(2),
      allowPositionals: true,
      options: {
        set: { type: 'string' },
        target: { type: 'string' },
        'yes-destroy': { type: 'string' },
        'shrink-tail': { type: 'boolean', default: false },
        'skip-verify': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new RestoreError(error.message, STATUS.usage);
  }
}

async function chooseSet(directories) {
  const places = directories.length > 0 ? directories.map((each) => path.resolve(from, each)) : await mountpoints();
  echo(`Looking for sets in ${places.join(', ')} ...`);
  const sets = (await Promise.all(places.map((place) => findSets(place, SEARCH_DEPTH)))).flat();
  const unique = [...new Map(sets.map((set) => [set.path, set])).values()];
  unique.sort((a, b) => b.manifest.createdAt.localeCompare(a.manifest.createdAt));
  if (unique.length === 0)
    throw new RestoreError('no set was found: mount the disk or share that has them, and name its directory');
  for (const [index, set] of unique.entries())
    echo(`${String(index + 1).padStart(4)}  ${inWords(set)}\n      ${set.path}`);
  for (;;) {
    const answer = (await question(`Which one? 1 to ${unique.length}: `)).trim();
    const chosen = /^\d+$/.test(answer) ? unique[Number(answer) - 1] : undefined;
    if (chosen !== undefined) return chosen;
  }
}

async function mountpoints() {
  const { stdout } = await $`findmnt --real --json --list --output TARGET`;
  return JSON.parse(stdout).filesystems.map(({ target }) => target);
}

async function findSets(directory, depth) {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  if (entries.some(({ name }) => name === 'manifest.json')) {
    const set = await readSet(directory).catch(() => undefined);
    if (set !== undefined) return [set];
  }
  if (depth === 0) return [];
  const inner = entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(directory, name));
  const found = [];
  for (const each of inner) found.push(...(await findSets(each, depth - 1)));
  return found;
}

async function readSet(directory) {
  let manifest;
  try {
    manifest = JSON.parse(await readFile(path.join(directory, 'manifest.json'), 'utf8'));
  } catch (error) {
    throw new RestoreError(`"${directory}" is no set: ${error.message}`);
  }
  if (manifest?.format !== 'lifeboat-set') throw new RestoreError(`"${directory}" is no set of lifeboat`);
  return { path: directory, manifest };
}

function inWords({ manifest }) {
  const { hostname, createdAt, disk, consistency, guests, verifiedAt } = manifest;
  const size = `${(disk.sizeBytes / 1024 ** 3).toFixed(1)} GiB`;
  const proven = verifiedAt ? 'verified when it was made' : 'never verified';
  return `${hostname}  ${createdAt}  ${disk.path} ${disk.model ?? ''} ${size}, ${consistency}, guests ${guests}, ${proven}`;
}

async function chooseDisk({ manifest }) {
  echo(
    `\nThe disk that was saved had ${(manifest.disk.sizeBytes / 1024 ** 3).toFixed(1)} GiB. Disks of this machine:\n`,
  );
  await $({ stdio: 'inherit' })`lsblk --nodeps --exclude 1,7,11 -o NAME,SIZE,MODEL,SERIAL,LOG-SEC`;
  echo('\nWhat is on them:\n');
  await $({ stdio: 'inherit' })`lsblk --exclude 1,7,11 -o NAME,SIZE,FSTYPE,LABEL,MOUNTPOINTS`;
  for (;;) {
    const answer = (await question('\nWhich disk is to be overwritten? Its name, as sda: ')).trim();
    if (/^(\/dev\/)?[a-zA-Z0-9/_-]+$/.test(answer)) return answer.startsWith('/dev/') ? answer : `/dev/${answer}`;
  }
}

async function confirm(name, given, set) {
  if (given !== undefined) {
    if (given === name) return;
    throw new RestoreError(`--yes-destroy ${given} is another disk than ${name}`, STATUS.usage);
  }
  echo(`\nALL that is on ${name} is lost, and replaced by ${set.manifest.hostname} as of ${set.manifest.createdAt}.`);
  const again = (await question(`Type the name of the disk once more to go on, anything else to stop: `)).trim();
  if (again !== name) throw new RestoreError('stopped; nothing was written');
}

async function run(args, failure) {
  const { exitCode } = await $({ stdio: 'inherit', nothrow: true })`${lifeboat} ${args}`;
  if (exitCode !== 0) throw new RestoreError(failure, exitCode ?? STATUS.failed);
}
