import { readFileSync } from 'node:fs';

/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  id: number;
  /** "8:3"; "0:42" for what has no block device of its own, as btrfs, ZFS and NFS. */
  deviceNumber: string;
  mountpoint: string;
  fsType: string;
  source: string;
  /** The file system itself, by whatever mount; absent if it is not. */
  isReadOnly?: true;
}

/** One line of /proc/swaps. */
export interface Swap {
  path: string;
  kind: 'partition' | 'file';
  sizeBytes: number;
}

export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    // A varying number of optional fields ends at a lone hyphen.
    const tail = fields.indexOf('-', 6);
    const [id, , deviceNumber, , mountpoint] = fields;
    const fsType = fields[tail + 1];
    if (tail < 0 || !id || !deviceNumber || mountpoint === undefined || fsType === undefined) return [];
    return [
      {
        id: Number(id),
        deviceNumber,
        mountpoint: decodeOctal(mountpoint),
        fsType,
        source: decodeOctal(fields[tail + 2] ?? ''),
        ...((fields[tail + 3] ?? '').split(',').includes('ro') ? { isReadOnly: true as const } : {}),
      },
    ];
  });
}

export function parseSwaps(text: string): Swap[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [path, kind, sizeKiB] = line.split(/\s+/);
      if (!path || !sizeKiB) return [];
      return [
        {
          path: decodeOctal(path),
          kind: kind === 'file' ? 'file' : 'partition',
          sizeBytes: Number(sizeKiB) * 1024,
        } as const,
      ];
    });
}

/** The kernel writes a blank, tab, newline, backslash and # as \040 and so on, byte by byte. */
function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

export function readMounts(proc = '/proc'): Mount[] {
  return parseMountinfo(readFileSync(`${proc}/self/mountinfo`, 'utf8'));
}

export function readSwaps(proc = '/proc'): Swap[] {
  let text: string;
  try {
    text = readFileSync(`${proc}/swaps`, 'utf8');
  } catch (error) {
    // A kernel built without swap has no such file.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return parseSwaps(text);
}
