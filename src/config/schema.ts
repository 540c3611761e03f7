import * as z from 'zod';
import { LifeboatError } from '../error.js';
import { DATA_KINDS, PRIORITIES } from '../policy/facts.js';
import { FINISH_BY } from '../policy/finish-by.js';
import { DURATION } from './duration.js';
import { parsePruneBackups } from './prune-backups.js';

/**
 * What /etc/lifeboat/config.toml may hold. Words that Proxmox has for the same thing mean what they mean there: bwlimit
 * (KiB/s), ionice, lockwait (minutes), prune-backups.
 */

const path = z.string().regex(/^\/.*[^/]$|^\/$/, 'takes an absolute path');
const OUTCOMES = ['success', 'warning', 'failure'] as const;
const on = z.array(z.enum(OUTCOMES)).default(['warning', 'failure']);
/** `*-file`: a file that holds the secret, or the name of a systemd credential. */
const secretFile = z.string().regex(/^(\/.*)?[^/]+$/, 'takes an absolute path, or the name of a systemd credential');
const url = z.url({ protocol: /^https?$/, error: 'takes an http or https address' });

const duration = z.string().regex(DURATION, 'takes a number and m, h, d or w, as in "20h"');
/** "VG/LV" */
const volume = z.string().regex(/^[^/\s,]+\/[^/\s,]+$/, 'takes volumes as "VG/LV"');

const pruneBackups = z.string().superRefine((text, context) => {
  try {
    parsePruneBackups(text);
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

const BOOT = z.strictObject({
  to: path.optional(),
  'require-mount': z
    .union([z.boolean(), path], { error: 'takes true, false or the absolute path of a mount point' })
    .default(false),
  disk: path.optional(),
  compress: z.enum(['auto', 'pigz', 'gzip', 'zstd', 'lz4', 'xz']).default('auto'),
  level: z.int().optional(),
  priority: z.enum(PRIORITIES).default('balanced'),
  kind: z.enum(DATA_KINDS).default('general'),
  'finish-by': z.string().regex(FINISH_BY, 'takes a time of day, as in "06:30"').optional(),
  threads: z.int().min(0).max(256).default(0),
  bwlimit: z.int().min(0).default(0),
  ionice: z.int().min(0).max(8).default(7),
  lockwait: z.int().min(0).max(10_080).default(180),
  snapshot: z.enum(['auto', 'lvm', 'btrfs', 'none']).default('auto'),
  'require-consistent': z.boolean().default(false),
  'include-guests': z.boolean().default(false),
  exclude: z.array(volume).default([]),
  'allow-same-disk': z.boolean().default(false),
  verify: z.boolean().default(true),
  'rescue-kit': z.boolean().default(true),
  'prune-backups': pruneBackups.default('keep-all=1'),
});

const HOOK = z.strictObject({
  'image-at': z.enum(['job-end', 'never']).default('job-end'),
  'image-every': duration.default('20h'),
  'check-target': z.boolean().default(true),
  'verify-guests': z.boolean().default(false),
  'on-failure': z.enum(['warn', 'fail']).default('warn'),
});

const HISTORY = z.strictObject({
  directory: path.default('/var/lib/lifeboat'),
});

const ALERTS = z.strictObject({
  tell: z.boolean().default(true),
  'max-age': duration.optional(),
  window: duration.optional(),
  'verify-every': duration.default('4w'),
  'rehearse-every': duration.default('26w'),
  'days-left': z.int().min(0).max(3650).default(14),
});

const NOTIFY = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('mail'), on, to: z.string().default('root') }),
  z.strictObject({ type: z.literal('webhook'), on, url, 'token-file': secretFile.optional() }),
  z.strictObject({ type: z.literal('ntfy'), on, url, 'token-file': secretFile.optional() }),
  z.strictObject({ type: z.literal('gotify'), on, url, 'token-file': secretFile }),
  z
    .strictObject({ type: z.literal('healthchecks'), url: url.optional(), 'url-file': secretFile.optional() })
    .refine((target) => (target.url === undefined) !== (target['url-file'] === undefined), {
      error: 'takes either url or url-file',
    }),
]);

export const CONFIG = z.strictObject({
  boot: BOOT.prefault({}),
  hook: HOOK.prefault({}),
  history: HISTORY.prefault({}),
  alerts: ALERTS.prefault({}),
  notify: z.array(NOTIFY).default([{ type: 'mail', on: ['warning', 'failure'], to: 'root' }]),
});

export type Config = z.output<typeof CONFIG>;
export type Outcome = (typeof OUTCOMES)[number];
