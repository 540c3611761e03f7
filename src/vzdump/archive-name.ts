import { basename } from 'node:path';

/** Where a guest's backup went, told from TARGET alone. */
export type TargetKind = 'file' | 'backup-server' | 'stdout' | 'unknown';

/** `none`: it is not compressed. */
export type ArchiveCompression = 'zst' | 'gz' | 'lzo' | 'bz2' | 'none';

const BACKUP_SERVER = /^(vm|ct|host)\/[^/]+\/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
/** As PVE::Storage's archive_info knows them. */
const ARCHIVE =
  /^vzdump-(?:qemu|lxc|openvz)-\d+-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d\.(?:vma|tar)(?:\.(?<compression>gz|lzo|zst|bz2))?$/;

export function targetKind(target: string | undefined): TargetKind {
  if (target === undefined) return 'unknown';
  if (target === '-') return 'stdout';
  if (target.startsWith('/')) return 'file';
  return BACKUP_SERVER.test(target) ? 'backup-server' : 'unknown';
}

/** Undefined for what is no archive of vzdump by its name. */
export function compressionOf(target: string | undefined): ArchiveCompression | undefined {
  if (targetKind(target) !== 'file' || target === undefined) return undefined;
  const match = ARCHIVE.exec(basename(target));
  if (match === null) return undefined;
  return (match.groups?.compression as ArchiveCompression | undefined) ?? 'none';
}
