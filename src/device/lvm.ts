import { LifeboatError } from '../error.js';
import { runCommand } from './command.js';

/** Sizes and offsets are bytes, whatever LVM's own units are. */
export interface VolumeGroup {
  name: string;
  uuid: string;
  /** Moves with every change of the metadata. */
  seqno: number;
  extentBytes: number;
  freeExtents: number;
  sizeBytes: number;
}

export interface PhysicalVolume {
  /** "[unknown]" for one that is missing. */
  path: string;
  uuid: string;
  vg: string;
  /** Where its first extent begins (pe_start). */
  dataOffset: number;
  /** Of the device that holds it. */
  sizeBytes: number;
  extentCount: number;
}

export interface LvSegment {
  logicalOffset: number;
  sizeBytes: number;
  /** "linear", "striped", "raid1", "thin-pool" ... */
  type: string;
  /**
   * The extents it has on physical volumes, `extentCount` of them on each. None for a segment that lies on other volumes,
   * as those of a thin pool or a RAID volume do: they are listed for themselves.
   */
  stripes: { pv: string; startExtent: number; extentCount: number }[];
}

export interface LogicalVolume {
  vg: string;
  /** Without the brackets of a hidden one. */
  name: string;
  uuid: string;
  /** Its node; empty for those that have none (thin pools, hidden volumes). */
  path: string;
  /**
   * - thick: each byte lies at one known place, by `segments`
   * - thin-pool, thin: only the pool knows where; its data lies in internal volumes
   * - snapshot: a thick one; `segments` are its store of old blocks, not what one reads from it
   * - internal: hidden, a part of others
   * - other: RAID, several stripes, cache, VDO ...
   */
  role: 'thick' | 'thin-pool' | 'thin' | 'snapshot' | 'internal' | 'other';
  /** The thin pool of a thin volume or of a hidden part; of the spare for pool metadata if the group has just one pool. */
  pool: string | undefined;
  origin: string | undefined;
  sizeBytes: number;
  tags: string[];
  active: boolean;
  /** How full a thick snapshot is; undefined for anything else, and while it is not active. */
  snapPercent: number | undefined;
  /** In the order of the volume's bytes, from 0 to its size without a gap. */
  segments: LvSegment[];
}

export interface Lvm {
  groups: VolumeGroup[];
  /** Without those that are in no group. */
  physical: PhysicalVolume[];
  logical: LogicalVolume[];
}

const FORMAT = ['--reportformat', 'json', '--units', 'b', '--nosuffix'];
const VG_FIELDS = 'vg_name,vg_uuid,vg_seqno,vg_extent_size,vg_free_count,vg_size';
const PV_FIELDS = 'pv_name,pv_uuid,vg_name,pe_start,dev_size,pv_pe_count,pv_pe_alloc_count';
const LV_FIELDS =
  'vg_name,lv_name,lv_uuid,lv_path,lv_size,lv_layout,lv_role,lv_tags,lv_active,pool_lv,origin,snap_percent,' +
  'data_lv,metadata_lv,metadata_devices,segtype,seg_start,seg_size,stripes,seg_pe_ranges';

/** The three reports come from three runs; if a group changed between them they are made again, so many times. */
const ATTEMPTS = 5;

/**
 * All groups and volumes of this host, as they were at one moment. Lists are empty where LVM is not installed.
 * @throws LifeboatError FAILED if a report fails, does not hold together, or groups change all the time
 */
export async function readLvm(signal?: AbortSignal): Promise<Lvm> {
  const report = async (program: string, args: string[]): Promise<string | undefined> =>
    (await runCommand(program, [...FORMAT, ...args], { allowMissing: true, ...(signal ? { signal } : {}) }))?.stdout;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await report('vgs', ['-o', VG_FIELDS]);
    const pvs = await report('pvs', ['-o', PV_FIELDS]);
    const lvs = await report('lvs', ['-a', '--segments', '-o', LV_FIELDS]);
    const after = await report('vgs', ['-o', VG_FIELDS]);
    if (before === undefined || pvs === undefined || lvs === undefined)
      return { groups: [], physical: [], logical: [] };
    if (before === after) return parseLvmReports(before, pvs, lvs);
  }
  throw new LifeboatError('FAILED', `Cannot read LVM's metadata: it changed during each of ${ATTEMPTS} readings`, {
    hint: 'wait until what creates or removes volumes is done (ps -C lvcreate,lvremove,pvmove), then run this again',
  });
}

/**
 * Reads reports as `readLvm` asks for them: JSON, bytes without suffix, `lvs -a --segments`. More fields do no harm.
 * @throws LifeboatError FAILED for anything that is not as LVM writes it, or that does not hold together: an extent used
 * twice, or a physical volume that has more extents in use than the volumes have on it. What no volume claims counts as
 * free, so a volume missing in the report would be lost.
 */
export function parseLvmReports(vgs: string, pvs: string, lvs: string): Lvm {
  const groups = rows('vgs', vgs, 'vg').map((row) => ({
    name: row.text('vg_name'),
    uuid: row.text('vg_uuid'),
    seqno: row.count('vg_seqno'),
    extentBytes: row.count('vg_extent_size'),
    freeExtents: row.count('vg_free_count'),
    sizeBytes: row.count('vg_size'),
  }));
  const physical = rows('pvs', pvs, 'pv')
    .filter((row) => row.maybe('vg_name') !== undefined)
    .map((row) => ({
      path: row.text('pv_name'),
      uuid: row.text('pv_uuid'),
      vg: row.text('vg_name'),
      dataOffset: row.count('pe_start'),
      sizeBytes: row.count('dev_size'),
      extentCount: row.count('pv_pe_count'),
      usedExtents: row.count('pv_pe_alloc_count'),
    }));
  const byGroup = grouped(rows('lvs', lvs, 'seg', 'lv'), (row) => row.text('vg_name'));
  for (const vg of [...physical.map((pv) => pv.vg), ...byGroup.keys()])
    if (!groups.some((group) => group.name === vg)) throw malformed('vgs', `there is no volume group "${vg}"`);
  const logical = groups.flatMap((group) => {
    if (group.extentBytes === 0) throw malformed('vgs', `"${group.name}" has extents of 0 bytes`);
    const own = physical.filter((pv) => pv.vg === group.name);
    const volumes = volumesOf(group, new Set(own.map((pv) => pv.path)), byGroup.get(group.name) ?? []);
    checkExtents(own, volumes);
    return volumes;
  });
  return { groups, physical: physical.map(({ usedExtents: _, ...pv }) => pv), logical };
}

function volumesOf(group: VolumeGroup, pvs: Set<string>, segmentRows: Row[]): LogicalVolume[] {
  const byName = grouped(segmentRows, (row) => withoutBrackets(row.text('lv_name')));
  const parts = new Map<string, Set<string>>();
  const volumes = [...byName].map(([name, own]): LogicalVolume => {
    const first = own[0] as Row;
    const segments = own.map((row) => {
      const { segment, lies } = segmentOf(row, group, pvs);
      const on = [...lies, ...row.names('data_lv'), ...row.names('metadata_lv'), ...row.names('metadata_devices')];
      for (const part of on) {
        if (!byName.has(part)) throw malformed('lvs', `"${name}" lies on "${part}", which is not listed`);
        parts.set(name, (parts.get(name) ?? new Set()).add(part));
      }
      return segment;
    });
    segments.sort((a, b) => a.logicalOffset - b.logicalOffset);
    const sizeBytes = first.count('lv_size');
    checkSegments(name, segments, sizeBytes);
    const role = roleOf(first, segments);
    return {
      vg: group.name,
      name,
      uuid: first.text('lv_uuid'),
      path: first.maybe('lv_path') ?? '',
      role,
      pool: first.names('pool_lv')[0],
      origin: first.names('origin')[0],
      sizeBytes,
      tags: first.list('lv_tags'),
      active: /^(active|local)/.test(first.maybe('lv_active') ?? ''),
      // Pools and thin volumes have that field too, and mean something else by it.
      snapPercent: role === 'snapshot' ? first.percent('snap_percent') : undefined,
      segments,
    };
  });
  namePools(volumes, parts);
  return volumes;
}

function roleOf(row: Row, segments: LvSegment[]): LogicalVolume['role'] {
  const layout = row.list('lv_layout');
  const role = row.list('lv_role');
  if (row.text('lv_name').startsWith('[')) return 'internal';
  if (layout.includes('thin')) return layout.includes('pool') ? 'thin-pool' : 'thin';
  if (role.includes('thicksnapshot')) return 'snapshot';
  const isPlain = ({ type, stripes }: LvSegment) => (type === 'linear' || type === 'striped') && stripes.length === 1;
  return segments.every(isPlain) ? 'thick' : 'other';
}

/** `lies`: the other volumes that the segment lies on. */
function segmentOf(row: Row, group: VolumeGroup, pvs: Set<string>): { segment: LvSegment; lies: string[] } {
  const type = row.text('segtype');
  const sizeBytes = row.count('seg_size');
  const stripes: LvSegment['stripes'] = [];
  const lies: string[] = [];
  for (const range of row.words('seg_pe_ranges')) {
    const match = /^(.+):(\d+)-(\d+)$/.exec(range);
    const [name, start, end] = [match?.[1], Number(match?.[2]), Number(match?.[3])];
    if (name === undefined || end < start) throw malformed('lvs', `"${range}" is no range of extents`);
    if (pvs.has(name)) stripes.push({ pv: name, startExtent: start, extentCount: end - start + 1 });
    else if (name.startsWith('/') || name === MISSING) throw malformed('lvs', `there is no physical volume "${name}"`);
    else lies.push(withoutBrackets(name));
  }
  if (type === 'linear' || type === 'striped') {
    const extents = stripes.reduce((sum, stripe) => sum + stripe.extentCount, 0);
    if (lies.length === 0 && extents * group.extentBytes !== sizeBytes)
      throw malformed('lvs', `a segment of "${row.text('lv_name')}" has ${sizeBytes} bytes in ${extents} extents`);
  }
  return { segment: { logicalOffset: row.count('seg_start'), sizeBytes, type, stripes }, lies };
}

const MISSING = '[unknown]';

function checkSegments(name: string, segments: LvSegment[], sizeBytes: number): void {
  let end = 0;
  for (const segment of segments) {
    if (segment.logicalOffset !== end) throw malformed('lvs', `the segments of "${name}" do not join at byte ${end}`);
    end += segment.sizeBytes;
  }
  if (end !== sizeBytes) throw malformed('lvs', `"${name}" has ${sizeBytes} bytes, its segments have ${end}`);
}

function checkExtents(
  physical: { path: string; extentCount: number; usedExtents: number }[],
  volumes: LogicalVolume[],
): void {
  const stripes = volumes.flatMap((volume) => volume.segments.flatMap((segment) => segment.stripes));
  const byPv = grouped(stripes, (stripe) => stripe.pv);
  // Several missing ones bear one name, and nothing tells which of them an extent is on. They are not imaged either.
  for (const { path, extentCount, usedExtents } of physical.filter((pv) => pv.path !== MISSING)) {
    let end = 0;
    let claimed = 0;
    for (const stripe of (byPv.get(path) ?? []).sort((a, b) => a.startExtent - b.startExtent)) {
      if (stripe.startExtent < end) throw malformed('lvs', `extent ${stripe.startExtent} of ${path} is used twice`);
      end = stripe.startExtent + stripe.extentCount;
      claimed += stripe.extentCount;
    }
    if (end > extentCount) throw malformed('lvs', `extent ${end - 1} lies beyond the ${extentCount} of ${path}`);
    if (claimed !== usedExtents)
      throw malformed('lvs', `volumes have ${claimed} extents on ${path}, of which ${usedExtents} are in use`);
  }
}

/** A pool's parts do not name it, and may have parts of their own (RAID). The spare belongs to any pool of its group. */
function namePools(volumes: LogicalVolume[], parts: Map<string, Set<string>>): void {
  const byName = new Map(volumes.map((volume) => [volume.name, volume]));
  const pools = volumes.filter((volume) => volume.role === 'thin-pool');
  for (const pool of pools) {
    const found = new Set([pool.name]);
    for (const name of found) {
      for (const part of parts.get(name) ?? []) found.add(part);
      const volume = byName.get(name);
      if (volume?.role === 'internal') volume.pool = pool.name;
    }
  }
  const [only] = pools;
  if (pools.length !== 1 || only === undefined) return;
  for (const volume of volumes)
    if (volume.role === 'internal' && /^lvol\d+_pmspare$/.test(volume.name)) volume.pool ??= only.name;
}

/** One line of a report; each getter throws for what LVM does not write. */
interface Row {
  text(field: string): string;
  /** Undefined if empty. */
  maybe(field: string): string | undefined;
  count(field: string): number;
  percent(field: string): number | undefined;
  list(field: string): string[];
  words(field: string): string[];
  /** Volumes: "[data_tdata]", or "a_rmeta_0(0),a_rmeta_1(0)". A field that was not asked for names none. */
  names(field: string): string[];
}

function rows(program: string, text: string, ...kinds: string[]): Row[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw malformed(program, 'it is no JSON', error);
  }
  const reports = isRecord(parsed) ? parsed.report : undefined;
  if (!Array.isArray(reports)) throw malformed(program, 'it has no "report"');
  return reports.flatMap((report: unknown) => {
    const list = isRecord(report) ? kinds.map((kind) => report[kind]).find((found) => found !== undefined) : undefined;
    if (!Array.isArray(list)) throw malformed(program, `it has no list "${kinds[0]}"`);
    return list.map((entry: unknown) => rowOf(program, entry));
  });
}

function rowOf(program: string, entry: unknown): Row {
  if (!isRecord(entry)) throw malformed(program, 'an entry is no object');
  const raw = (field: string): string => {
    const value = entry[field];
    if (typeof value !== 'string') throw malformed(program, `"${field}" is ${JSON.stringify(value)}, not a text`);
    return value;
  };
  const maybe = (field: string) => raw(field) || undefined;
  const split = (field: string, separator: string) => raw(field).split(separator).filter(Boolean);
  return {
    maybe,
    text: (field) => {
      const value = maybe(field);
      if (value === undefined) throw malformed(program, `"${field}" is empty`);
      return value;
    },
    count: (field) => {
      const value = Number(/^\d+$/.test(raw(field)) ? raw(field) : Number.NaN);
      if (!Number.isSafeInteger(value)) throw malformed(program, `"${field}" is "${raw(field)}", not a number`);
      return value;
    },
    percent: (field) => {
      const value = maybe(field);
      if (value === undefined) return undefined;
      if (!/^\d{1,3}\.\d+$/.test(value)) throw malformed(program, `"${field}" is "${value}", not a percentage`);
      return Number(value);
    },
    list: (field) => split(field, ','),
    words: (field) => split(field, ' '),
    names: (field) =>
      entry[field] === undefined ? [] : split(field, ',').map((name) => withoutBrackets(name.replace(/\(\d+\)$/, ''))),
  };
}

function grouped<T>(list: readonly T[], nameOf: (entry: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const entry of list) {
    const name = nameOf(entry);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [entry]);
    else group.push(entry);
  }
  return groups;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutBrackets(name: string): string {
  return /^\[(.+)\]$/.exec(name)?.[1] ?? name;
}

function malformed(program: string, what: string, cause?: unknown): LifeboatError {
  return new LifeboatError('FAILED', `Cannot understand the report of ${program}: ${what}`, {
    hint: `see what "${program} -a" says, and whether pvs and vgs warn of anything`,
    cause,
  });
}
