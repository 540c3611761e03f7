import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel tells of how busy it is. Times in ms since it started, summed over processors. */
export interface KernelLoad {
  cores: number;
  busyMs: number;
  idleMs: number;
  stealMs: number;
  /** Tasks that run or could run, ours among them. */
  runnable: number;
  /** Tasks that run, could run or wait for a disk, over the last minute. */
  loadAverage: number;
  cpu: Pressure | undefined;
  io: Pressure | undefined;
  memory: Pressure | undefined;
  /** For how long some guest waited for a processor; undefined where guests have no control group of their own. */
  guestWaitMs: number | undefined;
  /** What can be had without taking it from anybody; undefined where /proc/meminfo does not say. */
  availableBytes: number | undefined;
}

/** https://docs.kernel.org/accounting/psi.html */
export interface Pressure {
  /** Share of the last 10 s in which some task waited, 0 to 1. */
  recentShare: number;
  totalMs: number;
}

export interface LoadRoots {
  proc: string;
  sys: string;
}

const HERE: LoadRoots = { proc: '/proc', sys: '/sys' };
/** USER_HZ is 100 on x86-64 and arm64, whatever the kernel's own rate. */
const TICK_MS = 10;
/** Where Proxmox puts VMs and containers, and libvirt its VMs. */
const GUEST_GROUPS = ['qemu.slice', 'lxc', 'machine.slice'] as const;

/** Undefined without a /proc/stat that can be read. Kernels without pressure (older than 4.20, or psi=0) say the rest. */
export function readKernelLoad({ proc, sys }: LoadRoots = HERE): KernelLoad | undefined {
  const stat = readIfThere(`${proc}/stat`);
  if (stat === undefined) return undefined;
  const [user, nice, system, idle, iowait, irq, softirq, steal] = numbersOf(/^cpu +(.*)$/m.exec(stat)?.[1]);
  const meminfo = readIfThere(`${proc}/meminfo`);
  const guests = GUEST_GROUPS.map((group) => pressureOf(`${sys}/fs/cgroup/${group}/cpu.pressure`)?.totalMs);
  const waits = guests.filter((totalMs) => totalMs !== undefined);
  return {
    cores: stat.match(/^cpu\d+ /gm)?.length ?? 0,
    busyMs: TICK_MS * ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)),
    idleMs: TICK_MS * ((idle ?? 0) + (iowait ?? 0)),
    stealMs: TICK_MS * (steal ?? 0),
    runnable: Number(/^procs_running (\d+)/m.exec(stat)?.[1] ?? 0),
    loadAverage: Number.parseFloat(readIfThere(`${proc}/loadavg`) ?? '0') || 0,
    cpu: pressureOf(`${proc}/pressure/cpu`),
    io: pressureOf(`${proc}/pressure/io`),
    memory: pressureOf(`${proc}/pressure/memory`),
    guestWaitMs: waits.length === 0 ? undefined : Math.max(...waits),
    availableBytes: availableOf(meminfo, readIfThere(`${proc}/spl/kstat/zfs/arcstats`)),
  };
}

/** VMs and containers of Proxmox that run. 0 where there is no Proxmox. */
export function countGuests(run = '/run', sys = HERE.sys): number {
  const vms = listIfThere(`${run}/qemu-server`).filter((name) => /^\d+\.pid$/.test(name));
  const containers = listIfThere(`${sys}/fs/cgroup/lxc`).filter((name) => /^\d+$/.test(name));
  return vms.length + containers.length;
}

/** ZFS's cache counts as used, and is given back down to its least. */
function availableOf(meminfo: string | undefined, arcstats: string | undefined): number | undefined {
  const kib = /^MemAvailable: +(\d+) kB/m.exec(meminfo ?? '')?.[1];
  if (kib === undefined) return undefined;
  const arc = (name: string) => Number(new RegExp(`^${name} +\\d+ +(\\d+)`, 'm').exec(arcstats ?? '')?.[1] ?? 0);
  return Number(kib) * 1024 + Math.max(0, arc('size') - arc('c_min'));
}

function pressureOf(path: string): Pressure | undefined {
  const match = /^some avg10=([\d.]+) .*total=(\d+)/m.exec(readIfThere(path) ?? '');
  if (match === null) return undefined;
  return { recentShare: Number(match[1]) / 100, totalMs: Number(match[2]) / 1000 };
}

function numbersOf(text: string | undefined): number[] {
  return (text ?? '').split(' ').map(Number);
}

/** Not there, not ours to read, or a kernel that has the file and was told to do without (EOPNOTSUPP). */
const NOT_TOLD = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EOPNOTSUPP', 'EINVAL', 'EIO'];

function readIfThere(path: string): string | undefined {
  return unlessNotTold(() => readFileSync(path, 'utf8'));
}

function listIfThere(path: string): string[] {
  return unlessNotTold(() => readdirSync(path)) ?? [];
}

function unlessNotTold<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (NOT_TOLD.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
