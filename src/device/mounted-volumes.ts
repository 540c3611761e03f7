import type { BootDisk } from './boot-disk.js';
import type { LogicalVolume, Lvm } from './lvm.js';

/** The logical volumes that file systems of a disk are mounted from, each once, in LVM's order. */
export function mountedVolumes({ logical }: Pick<Lvm, 'logical'>, mounts: BootDisk['mounts']): LogicalVolume[] {
  const devices = new Set(mounts.map(({ device }) => device));
  return logical.filter((volume) => devices.has(mapperPath(volume)) || devices.has(volume.path));
}

/** Device mapper's name: a hyphen between group and volume, those within them doubled. */
export function mapperName({ vg, name }: Pick<LogicalVolume, 'vg' | 'name'>): string {
  return `${vg.replaceAll('-', '--')}-${name.replaceAll('-', '--')}`;
}

export function mapperPath(volume: Pick<LogicalVolume, 'vg' | 'name'>): string {
  return `/dev/mapper/${mapperName(volume)}`;
}
