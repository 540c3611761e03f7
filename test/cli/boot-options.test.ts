import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { type BootFlags, bootChoiceOf } from '../../src/cli/boot-options.js';
import type { ReadConfig } from '../../src/config/read-config.js';
import { CONFIG } from '../../src/config/schema.js';

const NONE: BootFlags = { engine: 'auto', dryRun: false };

function configOf(boot: Record<string, unknown>, path = '/etc/lifeboat/config.toml'): ReadConfig {
  return { config: CONFIG.parse({ boot }), path, exists: true };
}

const NO_CONFIG: ReadConfig = { ...configOf({}), exists: false };

describe('what a run of boot is to do', () => {
  test('no configuration: everything is as by default, and it waits for nobody', () => {
    assert.deepEqual(bootChoiceOf({ ...NONE, to: '/mnt' }, NO_CONFIG), {
      boot: {
        to: '/mnt',
        disk: undefined,
        codec: 'auto',
        level: undefined,
        engine: 'auto',
        threads: availableParallelism(),
        bwlimitKiBps: 0,
        ionice: 7,
        wishes: { priority: 'balanced', kind: 'general', endAtMs: undefined },
        snapshot: 'auto',
        requireConsistent: false,
        includeGuests: false,
        exclude: [],
        requireMount: false,
        allowSameDisk: false,
        verify: true,
        rescueKit: true,
        dryRun: false,
        lockwaitMinutes: 0,
        configPaths: [],
      },
      keep: { keepAll: true },
    });
  });

  const cases: [
    key: string,
    set: unknown,
    flags: Partial<BootFlags>,
    field: string,
    configured: unknown,
    flagged: unknown,
  ][] = [
    ['to', '/a', { to: '/b' }, 'to', '/a', '/b'],
    ['disk', '/dev/sda', { disk: '/dev/sdb' }, 'disk', '/dev/sda', '/dev/sdb'],
    ['compress', 'lz4', { compress: 'pigz' }, 'codec', 'lz4', 'gzip'],
    ['compress', 'lz4', { compress: 'auto' }, 'codec', 'lz4', 'auto'],
    ['level', 9, { level: 3 }, 'level', 9, 3],
    ['threads', 3, { threads: 5 }, 'threads', 3, 5],
    ['bwlimit', 1000, { bwlimit: 0 }, 'bwlimitKiBps', 1000, 0],
    ['ionice', 8, { ionice: 0 }, 'ionice', 8, 0],
    ['lockwait', 5, { lockwait: 0 }, 'lockwaitMinutes', 5, 0],
    ['snapshot', 'lvm', { snapshot: 'none' }, 'snapshot', 'lvm', 'none'],
    ['require-consistent', true, { requireConsistent: false }, 'requireConsistent', true, false],
    ['include-guests', true, { includeGuests: false }, 'includeGuests', true, false],
    ['exclude', ['pve/a'], { exclude: 'pve/b,pve/c' }, 'exclude', ['pve/a'], ['pve/b', 'pve/c']],
    ['require-mount', true, { requireMount: '/mnt' }, 'requireMount', true, '/mnt'],
    ['require-mount', '/mnt', { requireMount: '' }, 'requireMount', '/mnt', true],
    ['require-mount', '/mnt', { requireMount: false }, 'requireMount', '/mnt', false],
    ['allow-same-disk', true, { allowSameDisk: false }, 'allowSameDisk', true, false],
    ['verify', false, { verify: true }, 'verify', false, true],
    ['rescue-kit', false, { rescueKit: true }, 'rescueKit', false, true],
  ];
  for (const [key, set, flags, field, configured, flagged] of cases) {
    test(`${JSON.stringify(flags)} overrides boot.${key}`, () => {
      const read = configOf({ to: '/mnt', [key]: set });
      const boot = (given: Partial<BootFlags>) =>
        bootChoiceOf({ ...NONE, ...given }, read).boot as Record<string, unknown>;
      assert.deepEqual(boot({})[field], configured);
      assert.deepEqual(boot(flags)[field], flagged);
    });
  }

  test('what is kept: --prune-backups before boot.prune-backups', () => {
    const read = configOf({ to: '/mnt', 'prune-backups': 'keep-last=3' });
    assert.deepEqual(bootChoiceOf(NONE, read).keep, { keepLast: 3 });
    assert.deepEqual(bootChoiceOf({ ...NONE, pruneBackups: 'keep-daily=7' }, read).keep, { keepDaily: 7 });
    assert.throws(() => bootChoiceOf({ ...NONE, pruneBackups: 'keep-last=x' }, read), {
      code: 'USAGE',
      message: /^--prune-backups takes a whole number after keep-last=, not "x"$/,
    });
  });

  test('a level is that of its codec: --compress alone does not take the one that is configured', () => {
    const read = configOf({ to: '/mnt', compress: 'zstd', level: 19 });
    assert.equal(bootChoiceOf({ ...NONE, compress: 'gzip' }, read).boot.level, undefined);
    assert.equal(bootChoiceOf({ ...NONE, compress: 'gzip', level: 6 }, read).boot.level, 6);
  });

  test('nowhere to put the set: both ways are said', () => {
    assert.throws(() => bootChoiceOf(NONE, NO_CONFIG), {
      code: 'USAGE',
      exitStatus: 64,
      hint: /lifeboat boot --to .*; or write to = .* under \[boot\] in \/etc\/lifeboat\/config\.toml/,
    });
  });

  test('a configuration elsewhere is saved too', () => {
    assert.deepEqual(bootChoiceOf(NONE, configOf({ to: '/mnt' }, '/opt/x/config.toml')).boot.configPaths, ['/opt/x']);
    assert.deepEqual(bootChoiceOf(NONE, configOf({ to: '/mnt' })).boot.configPaths, []);
    assert.deepEqual(
      bootChoiceOf({ ...NONE, to: '/m' }, { ...NO_CONFIG, path: '/opt/x/config.toml' }).boot.configPaths,
      [],
    );
  });

  test('wrong numbers are wrong usage', () => {
    for (const flags of [
      { lockwait: -1 },
      { lockwait: 1.5 },
      { lockwait: Number.NaN },
      { ionice: 9 },
      { bwlimit: -1 },
      { threads: 0 },
    ])
      assert.throws(() => bootChoiceOf({ ...NONE, to: '/m', ...flags }, NO_CONFIG), { code: 'USAGE' });
  });
});
