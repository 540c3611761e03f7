import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hostDirectoryName, setNameOf } from '../../src/sets/set-layout.js';
import { encodeSetManifest, type SetManifest } from '../../src/sets/set-manifest.js';

/** A directory that is gone after the test. */
export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-sets-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export const IMAGE_BYTES = 1000;

export function manifestOf(changes: Partial<SetManifest> = {}): SetManifest {
  return {
    format: 'lifeboat-set',
    formatVersion: 1,
    lifeboatVersion: '0.1.0',
    createdAt: '2026-11-20T20:30:00.000Z',
    hostname: 'pve1',
    disk: {
      path: '/dev/sda',
      model: 'Samsung SSD 870',
      serial: 'S6PNNX0T',
      sizeBytes: 8 * 1024 ** 3,
      logicalSectorBytes: 512,
    },
    disks: ['/dev/sda'],
    image: 'boot-disk.img.zst',
    imageSizeBytes: IMAGE_BYTES,
    plainBytes: 8 * 1024 ** 3,
    readBytes: 1024 ** 3,
    codec: 'zstd',
    consistency: 'snapshot',
    leftOut: [{ what: 'thin pool pve/data', bytes: 2 * 1024 ** 3, reason: 'guests' }],
    usedEndBytes: 5 * 1024 ** 3,
    bootMode: 'uefi',
    guests: 'left out',
    hostFiles: [
      { name: 'fstab', madeBy: 'copy of /etc/fstab', sizeBytes: 6 },
      { name: 'config.db', madeBy: "SQLite's backup of config.db", sizeBytes: 9 },
    ],
    missingHostFiles: [{ name: 'zfs-list.txt', reason: 'there is no ZFS' }],
    verifiedAt: '2026-11-20T20:40:00.000Z',
    durationMs: 60_000,
    warnings: [],
    ...changes,
  };
}

export interface FakeSet {
  time: Date;
  hostname?: string;
  serial?: string | undefined;
  isProtected?: boolean;
}

/** Makes a whole set. @returns its path */
export function makeSet(top: string, { time, hostname = 'pve1', serial = 'S6PNNX0T', isProtected }: FakeSet): string {
  const path = join(top, hostDirectoryName(hostname), setNameOf(time));
  const base = manifestOf({ hostname, createdAt: time.toISOString() });
  const manifest = { ...base, disk: { ...base.disk, serial } };
  mkdirSync(join(path, 'host'), { recursive: true });
  const files: Record<string, string> = {
    'boot-disk.img.zst': 'i'.repeat(IMAGE_BYTES),
    'boot-disk.img.zst.sha256': 'sum\n',
    'backup.log': 'log\n',
    'RECOVERY.md': '# notes\n',
    'restore.sh': '#!/bin/sh\n',
    'host/fstab': 'fstab\n',
    'host/config.db': 'database\n',
    'manifest.json': encodeSetManifest(manifest),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  const sums = Object.entries(files).map(
    ([name, text]) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`,
  );
  writeFileSync(join(path, 'SHA256SUMS'), sums.join(''));
  if (isProtected === true) writeFileSync(join(path, 'protected'), '');
  return path;
}

export const HOUR_MS = 60 * 60 * 1000;
export const DAY_MS = 24 * HOUR_MS;

/** Every day at noon UTC, the newest first. */
export function dailyTimes(count: number, last = Date.UTC(2026, 10, 20, 12)): Date[] {
  return Array.from({ length: count }, (_, index) => new Date(last - index * DAY_MS));
}

export const never = new AbortController().signal;
