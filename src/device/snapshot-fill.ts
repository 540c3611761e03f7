import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../error.js';
import { LVM_FAILED, type SnapshotName, type SnapshotWorld } from './snapshot-world.js';

/** How full a snapshot is. */
export interface SnapshotFill extends SnapshotName {
  /** Undefined while LVM cannot tell. */
  percent: number | undefined;
  /** The kernel has dropped it, and fails every read. */
  isInvalid: boolean;
}

/** The kernel drops a snapshot at 100 %. What is written between two looks must fit above this. */
const FULL_PERCENT = 95;
/** One look that fails may be due to load, or to another command just then; so many in a row are not. */
const FAILED_LOOKS = 3;

/**
 * Looks again and again until one is full, or nearly.
 * @param signal ends the watch in silence: the promise never settles then
 * @throws LifeboatError FAILED
 */
export async function watchFill(
  snapshots: readonly SnapshotName[],
  signal: AbortSignal,
  world: SnapshotWorld,
): Promise<never> {
  const silence = new Promise<never>(() => undefined);
  let failures = 0;
  while (await pause(world.watchMs, signal)) {
    try {
      const fills = await readFills(snapshots, world);
      // They are being removed: that one is gone is as it should be.
      if (signal.aborted) return silence;
      for (const snapshot of snapshots) {
        const percent = percentOf(fills, snapshot);
        if (percent >= FULL_PERCENT) throw new SnapshotLost(snapshot, `is ${percent.toFixed(0)} % full`);
      }
      failures = 0;
    } catch (error) {
      if (error instanceof SnapshotLost || !(error instanceof LifeboatError)) throw error;
      if (++failures >= FAILED_LOOKS) throw error;
    }
  }
  return silence;
}

/** @returns false if the signal came */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  // It rejects for nothing but the signal.
  return sleep(ms, true, { signal }).catch(() => false);
}

/** @throws LifeboatError FAILED */
export async function fillPercent(snapshot: SnapshotName, world: SnapshotWorld): Promise<number> {
  return percentOf(await readFills([snapshot], world), snapshot);
}

async function readFills(snapshots: readonly SnapshotName[], world: SnapshotWorld): Promise<SnapshotFill[]> {
  const args = ['--reportformat', 'json', '-o', 'vg_name,lv_name,lv_attr,snap_percent'];
  const names = snapshots.map(({ vg, name }) => `${vg}/${name}`);
  // Where one is gone it fails, and reports the others.
  const { stdout } = await world.run('lvs', [...args, ...names], { okStatuses: [0, LVM_FAILED] });
  return parseFills(stdout);
}

/** @throws LifeboatError FAILED if it is no such report */
export function parseFills(report: string): SnapshotFill[] {
  let rows: unknown;
  try {
    rows = (JSON.parse(report) as { report?: { lv?: unknown }[] } | null)?.report?.[0]?.lv;
  } catch (error) {
    throw unknownReport(report, error);
  }
  if (!Array.isArray(rows)) throw unknownReport(report);
  return rows.map((row: Record<string, unknown> | null) => {
    const { vg_name: vg, lv_name: name, lv_attr: attributes, snap_percent: percent } = row ?? {};
    if (typeof vg !== 'string' || typeof name !== 'string' || typeof attributes !== 'string')
      throw unknownReport(report);
    if (typeof percent !== 'string' || !/^(\d+(\.\d+)?)?$/.test(percent)) throw unknownReport(report);
    // The fifth letter is the state: I is an invalid snapshot, S one that is suspended as well (lvs(8)).
    const isInvalid = attributes[4] === 'I' || attributes[4] === 'S';
    return { vg, name, percent: percent === '' ? undefined : Number(percent), isInvalid };
  });
}

function unknownReport(report: string, cause?: unknown): LifeboatError {
  return new LifeboatError('FAILED', `Cannot read what lvs says of snapshots: "${report.slice(0, 200)}"`, {
    hint: 'lvs --reportformat json -o vg_name,lv_name,lv_attr,snap_percent shows it all',
    cause,
  });
}

function percentOf(fills: readonly SnapshotFill[], snapshot: SnapshotName): number {
  const fill = fills.find(({ vg, name }) => vg === snapshot.vg && name === snapshot.name);
  if (fill === undefined) throw new SnapshotLost(snapshot, 'is gone: something else removed it');
  const { percent, isInvalid } = fill;
  if (isInvalid || (percent !== undefined && percent >= 100)) throw new SnapshotLost(snapshot, 'has overflowed');
  if (percent !== undefined) return percent;
  throw new LifeboatError('FAILED', `lvs does not tell how full the snapshot ${snapshot.vg}/${snapshot.name} is`, {
    hint: 'is the volume still active (lvs -o lv_active)?',
  });
}

/** What was read of it up to now may be right; what comes next is not. */
class SnapshotLost extends LifeboatError {
  constructor({ vg, name }: SnapshotName, what: string) {
    super('FAILED', `The snapshot ${vg}/${name} ${what}: what it shows can no longer be relied on`, {
      hint:
        `run this when less is written, to a faster target, or with more free extents in ${vg} ` +
        `(vgs ${vg} shows them; vgextend ${vg} /dev/sdX adds some)`,
    });
  }
}
