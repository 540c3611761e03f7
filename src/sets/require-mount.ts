import { realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Mount, readMounts } from '../device/mounts.js';
import { mountId } from '../device/same-disk.js';
import { fromSystem, LifeboatError } from '../error.js';

/**
 * Refuses a target whose file system is not mounted: the backup would fill the disk that it is of.
 * @param directory the target, which exists
 * @param mountpoint what has to be mounted, with the target on it; undefined: anything but the root file system will do
 * @returns the mount that the target is on
 * @throws LifeboatError FAILED
 */
export function requireMount(directory: string, mountpoint?: string): Mount {
  try {
    const nearest = nearestDirectory(directory);
    const mount = readMounts().find(({ id }) => id === mountId(nearest));
    if (mount === undefined) throw new LifeboatError('FAILED', `Cannot tell what "${directory}" is mounted from`);
    judgeMount(directory, mount, mountpoint === undefined ? undefined : realpathSync(mountpoint));
    if (nearest === directory) return mount;
    throw new LifeboatError('FAILED', `Cannot put a set in "${directory}": there is no such directory`, {
      hint: `what it would be on is mounted; make it: mkdir -p "${directory}"`,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && mountpoint !== undefined)
      throw notMounted(directory, `there is no "${mountpoint}"`, mountpoint);
    throw fromSystem(error, 'look at', directory);
  }
}

/** Itself, or the first above it that is there. */
function nearestDirectory(directory: string): string {
  try {
    // Looking below it makes automount mount it.
    statSync(`${directory}/.`);
    return directory;
  } catch (error) {
    const above = dirname(resolve(directory));
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === directory) throw error;
    return nearestDirectory(above);
  }
}

/** The judgement alone. @param mountpoint without symbolic links in it */
export function judgeMount(directory: string, mount: Mount, mountpoint: string | undefined): void {
  if (mount.fsType === 'autofs')
    throw notMounted(directory, `"${mount.mountpoint}" waits to be mounted`, mount.mountpoint);
  if (mountpoint !== undefined && mount.mountpoint !== mountpoint)
    throw notMounted(directory, `it is on "${mount.mountpoint}" (${mount.source}) and not on a mount`, mountpoint);
  if (mount.mountpoint === '/')
    throw notMounted(directory, `it is on the root file system (${mount.source})`, mountpoint ?? directory);
}

function notMounted(directory: string, why: string, mountpoint: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot put a set in "${directory}": ${why}`, {
    hint: `mount what belongs there: mount "${mountpoint}"; findmnt -T "${directory}" shows what is there now`,
  });
}
