import { realpathSync } from 'node:fs';
import { readMounts } from '../device/mounts.js';
import { mountId } from '../device/same-disk.js';
import type { NotesFacts } from './notes-facts.js';

/** Where a set lies, for its own recovery notes: the path alone says nothing once the host that mounted it is gone. */
export function placeOf(setPath: string): NotesFacts['place'] {
  const path = realpathSync(setPath);
  const id = mountId(path);
  const mount = readMounts().find((candidate) => candidate.id === id);
  if (mount === undefined) return undefined;
  return { path, mountpoint: mount.mountpoint, source: mount.source, fsType: mount.fsType };
}
