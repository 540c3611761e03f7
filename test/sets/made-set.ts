import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { runImage } from '../../src/image/image.js';
import type { RunReport } from '../../src/image/report.js';
import { encodeSetManifest, type SetManifest } from '../../src/sets/set-manifest.js';
import { encodeSums, sumsOf } from '../../src/sets/sums.js';
import { MIB } from '../cli/program.js';
import { imageOptions } from '../image/image-options.js';

const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const programs = await Promise.all(
  ['sfdisk --version', 'mke2fs -V'].map((line) => execa('sh', ['-c', line], { reject: false, env: ENV })),
);

/** For `skip`: why no disk can be made here. */
export const noDisks = programs.some(({ failed }) => failed) ? 'fdisk or e2fsprogs are not installed' : false;

export const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
const BIOS_BOOT = '21686148-6449-6E6F-744E-656564454649';

export interface DiskPlan {
  sizeBytes: number;
  /** Of the last partition, which holds ext4. In bytes. */
  partitionBytes: number;
  filesystemBytes: number;
  label?: 'gpt' | 'dos';
}

export const PLAN: DiskPlan = { sizeBytes: 64 * MIB, partitionBytes: 60 * MIB, filesystemBytes: 60 * MIB };
/** Where the ext4 begins. */
export const ROOT_OFFSET = 2 * MIB;

/** A disk in a file: BIOS boot, and ext4 with something in it. */
export async function makeDisk(path: string, plan: DiskPlan): Promise<void> {
  const { sizeBytes, partitionBytes, filesystemBytes, label = 'gpt' } = plan;
  const fd = openSync(path, 'w');
  ftruncateSync(fd, sizeBytes);
  const [boot, root] = label === 'gpt' ? [BIOS_BOOT, LINUX] : ['da', '83'];
  const layout = `label: ${label}
start=1MiB, size=1MiB, type=${boot}
start=2MiB, size=${partitionBytes / 512}, type=${root}
`;
  await execa('sfdisk', ['--quiet', path], { input: layout, env: ENV });
  writeSync(fd, Buffer.alloc(440, 0xeb), 0, 440, 0);
  const contents = `${path}.tree`;
  mkdirSync(contents);
  writeFileSync(join(contents, 'hosts'), '127.0.0.1 localhost\n'.repeat(5000));
  const filesystem = `${path}.ext4`;
  await execa('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', contents, filesystem, `${filesystemBytes / 1024}k`], {
    env: ENV,
  });
  const bytes = readFileSync(filesystem);
  writeSync(fd, bytes, 0, bytes.length, ROOT_OFFSET);
  closeSync(fd);
}

export const silent: RunReport & { warnings: string[] } = {
  warnings: [],
  warn(text) {
    silent.warnings.push(text);
  },
  detail: () => undefined,
  follow: () => () => undefined,
};

/** A set of that disk in `base`/HOSTNAME/DATE. @returns its directory */
export async function makeSet(base: string, plan = PLAN, changes: Partial<SetManifest> = {}): Promise<string> {
  const disk = join(base, 'disk.img');
  await makeDisk(disk, plan);
  const set = join(base, 'pve1', '2026-11-20T20-30-00Z');
  mkdirSync(join(set, 'host'), { recursive: true });
  const codec = changes.codec === 'lz4' ? 'lz4' : 'zstd';
  const image = `boot-disk.img.${codec === 'lz4' ? 'lz4' : 'zst'}`;
  await runImage(imageOptions({ source: disk, out: join(set, image), codec, threads: 1, sha256: true }), silent);
  writeFileSync(join(set, 'RECOVERY.md'), 'How to come back.\n');
  writeFileSync(join(set, 'host', 'fstab'), '/dev/pve/root / ext4\n');
  const sums = await sumsOf(set, { signal: new AbortController().signal });
  writeFileSync(join(set, 'SHA256SUMS'), encodeSums(sums));
  const manifest: SetManifest = {
    format: 'lifeboat-set',
    formatVersion: 1,
    lifeboatVersion: '0.1.0',
    createdAt: '2026-11-20T20:30:00.000Z',
    hostname: 'pve1',
    disk: { path: '/dev/sda', model: 'Virtual', serial: 'S1', sizeBytes: plan.sizeBytes, logicalSectorBytes: 512 },
    disks: ['/dev/sda'],
    image,
    imageSizeBytes: statSync(join(set, image)).size,
    plainBytes: plan.sizeBytes,
    readBytes: plan.sizeBytes,
    codec,
    consistency: 'snapshot',
    leftOut: [],
    usedEndBytes: ROOT_OFFSET + plan.filesystemBytes,
    bootMode: 'bios',
    guests: 'left out',
    hostFiles: [{ name: 'fstab', madeBy: 'cp', sizeBytes: 21 }],
    missingHostFiles: [],
    verifiedAt: undefined,
    durationMs: 1000,
    warnings: [],
    ...changes,
  };
  writeFileSync(join(set, 'manifest.json'), encodeSetManifest(manifest));
  return set;
}
