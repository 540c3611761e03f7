import { existsSync, readFileSync } from 'node:fs';
import { adviceOn } from '../config/advice.js';
import { configPath } from '../config/config-path.js';
import { readConfig } from '../config/read-config.js';
import type { Config } from '../config/schema.js';
import { LifeboatError, withHint } from '../error.js';
import { withTimeLimit } from '../host/time-limit.js';
import { findSets } from './find-sets.js';
import { requireMount } from './require-mount.js';

/** Whether this host is saved without anybody thinking of it. */
export interface Schedule {
  configPath: string;
  hasConfig: boolean;
  /** The directory that keeps the sets; undefined where nothing names one. */
  target: string | undefined;
  newest: { path: string; time: string; verifiedAt: string | undefined } | undefined;
  /** What starts a run: "vzdump (/etc/vzdump.conf)". */
  callers: string[];
  /** What keeps a run from coming to a set, or hides what comes of it. */
  problems: string[];
}

/** An NFS server that is gone lets a look at its share wait for ever. */
const ANSWER_LIMIT_MS = 10_000;
const SENDMAIL = '/usr/sbin/sendmail';

/** @param root what stands before the paths of /etc and /var; tests have another */
export async function examineSchedule(signal: AbortSignal, root = '', path = configPath()): Promise<Schedule> {
  const schedule: Schedule = {
    configPath: path,
    hasConfig: false,
    target: undefined,
    newest: undefined,
    callers: callersOn(root),
    problems: [],
  };
  const noting = async (act: () => Promise<void> | void) => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      schedule.problems.push(withHint(error));
    }
  };
  let config: Config | undefined;
  await noting(() => {
    const read = readConfig(path);
    schedule.hasConfig = read.exists;
    if (read.exists) config = read.config;
  });
  if (config === undefined) return schedule;
  const { boot, notify } = config;
  schedule.problems.push(...adviceOn(config, path));
  if (notify.some(({ type }) => type === 'mail') && !existsSync(`${root}${SENDMAIL}`))
    schedule.problems.push(`mail cannot be sent: there is no ${SENDMAIL} (apt install postfix)`);
  const { to } = boot;
  if (to === undefined) return schedule;
  schedule.target = to;
  await noting(async () => {
    const mountpoint = boot['require-mount'];
    if (mountpoint !== false) requireMount(to, mountpoint === true ? undefined : mountpoint);
    const sets = await withTimeLimit(ANSWER_LIMIT_MS, signal, () => findSets(to, signal));
    const newest = sets.find(({ state }) => state === 'good');
    if (newest !== undefined)
      schedule.newest = {
        path: newest.path,
        time: newest.time.toISOString(),
        verifiedAt: newest.verifiedAt?.toISOString(),
      };
  });
  return schedule;
}

function callersOn(root: string): string[] {
  const textOf = (path: string) => (existsSync(`${root}${path}`) ? readFileSync(`${root}${path}`, 'utf8') : '');
  const places: [where: string, found: boolean][] = [
    ['vzdump (/etc/vzdump.conf)', /^script\s*:.*lifeboat/m.test(textOf('/etc/vzdump.conf'))],
    ['cron (/etc/cron.d/lifeboat)', /^[^#\n]*lifeboat boot/m.test(textOf('/etc/cron.d/lifeboat'))],
    ["cron (root's crontab)", /^[^#\n]*lifeboat boot/m.test(textOf('/var/spool/cron/crontabs/root'))],
    ['systemd (lifeboat.timer)', existsSync(`${root}/etc/systemd/system/timers.target.wants/lifeboat.timer`)],
  ];
  return places.filter(([, found]) => found).map(([where]) => where);
}
