import type { BootDisk, BootFinding } from '../device/boot-disk.js';
import { roundSize } from '../device/sizes.js';
import type { Diagnosis } from './doctor.js';
import type { Schedule } from './examine-schedule.js';

/** Below this, slots for some threads at 8 MiB each, and Node itself, are felt by the guests. */
const LITTLE_MEMORY_BYTES = 512 * 1024 ** 2;

/** A diagnosis for a person, line by line. */
export function diagnosisInWords(diagnosis: Diagnosis): string[] {
  const { boot, groups, snapshots, leftOut, large, unseen, verdict } = diagnosis;
  return [
    ...(boot === undefined ? [] : bootInWords(boot)),
    ...groups.map(
      ({ name, sizeBytes, freeBytes, freeExtents }) =>
        `Volume group ${name}: ${roundSize(sizeBytes)}, of it free ${roundSize(freeBytes)} (${freeExtents} extents)`,
    ),
    ...section(
      'Snapshots',
      snapshots.possible
        ? snapshots.volumes.length === 0
          ? ['of each subvolume of / (btrfs), and a freeze of some hundred milliseconds']
          : snapshots.volumes.map(
              ({ volume, originBytes, roomBytes }) =>
                `${volume}, ${roundSize(originBytes)}: ${roundSize(roomBytes)} for what changes meanwhile`,
            )
        : [`none: ${snapshots.reason}`],
    ),
    ...section(
      'Left out of the image',
      leftOut.map(({ what, bytes }) => `${what}, ${roundSize(bytes)}`),
    ),
    ...section(
      'Large on the root file system, and so in the image',
      large.map(
        ({ path, bytes, files, complete }) =>
          `${path}: ${complete ? '' : 'at least '}${roundSize(bytes)} in ${files} ${files === 1 ? 'file' : 'files'}`,
      ),
    ),
    ...toolsInWords(diagnosis),
    ...gpusInWords(diagnosis),
    ...hostInWords(diagnosis),
    ...scheduleInWords(diagnosis.schedule),
    ...section('Not seen', unseen),
    '',
    capitalised(verdict.words),
    ...verdict.commands.map((command) => `  ${command}`),
  ];
}

function bootInWords({ disks, root, bootMode, esps, swaps }: BootFinding): string[] {
  return [
    ...disks.flatMap((disk) =>
      section(`Boot disk ${disk.path}: ${diskFacts(disk)}`, disk.mounts.map(mountInWords), true),
    ),
    `Boots by ${bootMode === 'uefi' ? 'UEFI' : 'BIOS'}; / is ${root.device} (${root.fsType}, layout ${root.layout})`,
    ...(esps.length === 0
      ? []
      : [
          `EFI system partitions: ${esps.map(({ device, mountpoint }) => `${device} (${mountpoint ?? 'not mounted'})`).join(', ')}`,
        ]),
    ...(swaps.length === 0 ? [] : [`Swap: ${swaps.join(', ')}`]),
  ];
}

function diskFacts({ model, serial, sizeBytes, logicalSectorBytes }: BootDisk): string {
  const facts = [model, serial && `serial ${serial}`, roundSize(sizeBytes), `sectors of ${logicalSectorBytes} bytes`];
  return facts.filter(Boolean).join(', ');
}

function mountInWords({ mountpoint, device, fsType }: BootDisk['mounts'][number]): string {
  return `${mountpoint} (${device}, ${fsType})`;
}

function toolsInWords({ requirements }: Diagnosis): string[] {
  const here = requirements.filter(({ found }) => found).map(({ name }) => name);
  const missing = requirements.filter(({ found, wanted }) => !found && wanted);
  return [
    ...(here.length === 0 ? [] : [`Found: ${here.join(', ')}`]),
    ...section(
      'Missing',
      missing.map(({ name, cost, install }) => `${name}: ${cost} (${install})`),
    ),
  ];
}

function gpusInWords({ gpus }: Diagnosis): string[] {
  if (gpus === undefined) return [];
  if (gpus.reason !== undefined) return [`Graphics cards: ${gpus.reason}`];
  return section(
    'Graphics cards (lifeboat gpu measures them)',
    gpus.gpus.map(
      ({ index, name, isSoftware, maxBindingBytes }) =>
        `${index}: ${name}, ${isSoftware ? 'software, which is not used unless it is named' : `buffers of at most ${roundSize(maxBindingBytes)}`}`,
    ),
  );
}

function hostInWords({ hostname, node, memory, isRoot }: Diagnosis): string[] {
  const words = [
    node.isEnough ? `node ${node.version}` : `node ${node.version}, which is too old: 20.19 or newer is needed`,
    `memory ${roundSize(memory.totalBytes)}, available ${roundSize(memory.availableBytes)}` +
      (memory.availableBytes < LITTLE_MEMORY_BYTES ? ', which is little: use fewer threads (-p 1)' : ''),
    ...(isRoot ? [] : ['not run as root']),
  ];
  return [`Host ${hostname}: ${words.join('; ')}`];
}

function scheduleInWords({ configPath, hasConfig, target, newest, callers, problems }: Schedule): string[] {
  const proven = newest?.verifiedAt === undefined ? 'not verified' : `proven ${newest.verifiedAt}`;
  return section(
    hasConfig ? `Configuration ${configPath}` : `Configuration: there is no ${configPath}`,
    [
      target === undefined ? 'no directory for sets is set (boot.to)' : `sets go to ${target}`,
      ...(target === undefined ? [] : [newest === undefined ? 'no good set yet' : `newest: ${newest.path}, ${proven}`]),
      callers.length === 0
        ? "nothing starts a run: install.sh --hook, --timer or --cron '30 2 * * *'"
        : `runs are started by ${callers.join(', ')}`,
      ...problems.map((problem) => `problem: ${problem}`),
    ],
    true,
  );
}

/** Nothing at all where there is nothing to list, unless the title says something by itself. */
function section(title: string, lines: readonly string[], saysItself = false): string[] {
  if (lines.length === 0) return saysItself ? [title] : [];
  return [saysItself ? title : `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
