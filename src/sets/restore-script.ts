import { sizeInWords } from '../device/sizes.js';
import { RESTORE_SCRIPT_BODY } from './restore-script-body.js';
import type { SetManifest } from './set-manifest.js';
import { shellWord, stockDecoder } from './stock-tools.js';

/**
 * `restore.sh` of a set: checks and restores it with what every live system has. POSIX sh: dash and busybox run it.
 * @param scheme of the disk's partition table: a GPT keeps a copy of itself at the end of the disk
 * @throws LifeboatError for a codec that stock tools do not know
 */
export function restoreScript(manifest: SetManifest, scheme: 'gpt' | 'mbr' | 'none'): string {
  const { hostname, createdAt, disk, image, codec, plainBytes, bootMode, guests } = manifest;
  const decoder = stockDecoder(codec);
  const was = disk.model === undefined ? disk.path : `${disk.path}, ${disk.model}`;
  return `#!/bin/sh
# Puts back a disk that Lifeboat saved, with stock tools only: sha256sum, ${decoder.program}, dd; sgdisk or sfdisk if there.
# It overwrites a whole disk, and asks before. RECOVERY.md beside this file tells what to do before and after.
set -u

HOST=${shellWord(hostname)}
CREATED=${shellWord(createdAt)}
WAS=${shellWord(was)}
IMAGE=${shellWord(image)}
SIZE=${plainBytes}
SIZE_WORDS=${shellWord(sizeInWords(plainBytes))}
SECTOR=${disk.logicalSectorBytes}
SCHEME=${scheme}
BOOT=${bootMode}
GUESTS=${shellWord(guests)}
PROGRAM=${decoder.program}
PACKAGE=${decoder.package}

decode() {
  ${[decoder.program, ...decoder.flags].join(' ')} "$IMAGE"
}
${RESTORE_SCRIPT_BODY}`;
}
