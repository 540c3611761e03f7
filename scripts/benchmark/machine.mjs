import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { shell } from './shell.mjs';

/** What a figure depends on. No host name, user or path: results are published. */
export async function machineFacts(directory, cores) {
  const { stdout } = await shell('findmnt -nro FSTYPE,SOURCE -T "$DIRECTORY"', { DIRECTORY: directory });
  const [fileSystem, device] = stdout.trim().split(' ');
  return {
    cpu: os.cpus()[0]?.model.trim() || os.arch(),
    cores,
    processors: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    kernel: os.release(),
    os: await osName(),
    fileSystem: fileSystem || 'unknown',
    storage: await storageModel(device ?? ''),
  };
}

/** The processors that this program may run on, the first so many of them, as taskset takes them. */
export async function processorList(cores) {
  const status = await readFile('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)[1];
  return expandList(list).slice(0, cores).join(',');
}

/** @param {string} list such as "0-3,8" */
export function expandList(list) {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

async function osName() {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? os.platform();
}

/** @returns the kernel's name for the disk under a file system, its model and how it is attached; undefined for memory */
async function storageModel(device) {
  if (!device.startsWith('/dev/')) return undefined;
  const { stdout } = await shell('lsblk -sJ -o KNAME,MODEL,TRAN -- "$DEVICE"', { DEVICE: device.replace(/\[.*/, '') });
  let found = stdout === '' ? undefined : JSON.parse(stdout).blockdevices?.[0];
  // A partition or volume has no model; the disk that it lies on has.
  while (found?.children !== undefined) found = found.children[0];
  if (found === undefined) return undefined;
  return [found.kname, `(${[found.model?.trim() || 'no model told', found.tran].filter(Boolean).join(', ')})`].join(
    ' ',
  );
}

const VERSION_OF = {
  bash: 'bash --version',
  dd: 'dd --version',
  gzip: 'gzip --version',
  pigz: 'pigz --version',
  igzip: 'igzip --version',
  zstd: 'zstd --version',
  lz4: 'lz4 --version',
  xz: 'xz --version',
  partclone: 'partclone.chkimg --version',
  hyperfine: 'hyperfine --version',
  node: 'node --version',
};

/** Of every tool that there is, and of the libraries that lifeboat calls. */
export async function versions(root) {
  const tools = {};
  for (const [tool, command] of Object.entries(VERSION_OF)) {
    const { stdout } = await shell(`command -v ${command.split(' ')[0]} >/dev/null && ${command} 2>&1 || :`);
    const version = /\d+(\.\d+)+\S*/.exec(stdout)?.[0].replace(/[,)]+$/, '');
    if (stdout.trim() !== '') tools[tool] = version ?? 'unknown';
  }
  return { lifeboat: await lifeboatVersion(root), tools, libraries: await libraryVersions() };
}

async function lifeboatVersion(root) {
  const { stdout: version } = await shell('"$ROOT/bin/lifeboat" --version', { ROOT: root });
  const { stdout: commit } = await shell('git -C "$ROOT" describe --always --dirty --exclude "*" 2>/dev/null', {
    ROOT: root,
  });
  return { version: version.trim(), commit: commit.trim() || undefined };
}

async function libraryVersions() {
  const names = 'libdeflate0 libisal2 libzstd1 liblz4-1 liblzma5 libxxhash0 zlib1g';
  const { stdout } = await shell(`dpkg-query -W -f '\${Package} \${Version}\\n' ${names} 2>/dev/null || :`);
  return Object.fromEntries(stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')])));
}
