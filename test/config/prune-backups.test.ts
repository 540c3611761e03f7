import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parsePruneBackups } from '../../src/config/prune-backups.js';
import { LifeboatError } from '../../src/error.js';

describe('prune-backups', () => {
  test('is read as Proxmox reads it', () => {
    const cases: [string, object][] = [
      ['keep-last=3,keep-daily=7', { keepLast: 3, keepDaily: 7 }],
      [
        'keep-hourly=1,keep-weekly=2,keep-monthly=3,keep-yearly=4',
        { keepHourly: 1, keepWeekly: 2, keepMonthly: 3, keepYearly: 4 },
      ],
      ['keep-all=1', { keepAll: true }],
      ['keep-all=0,keep-last=2', { keepAll: false, keepLast: 2 }],
      [' keep-last = 3 ,, keep-daily=1,', { keepLast: 3, keepDaily: 1 }],
      // Nothing is kept by any option: that is no wish to remove everything.
      ['', { keepAll: true }],
      ['keep-last=0', { keepAll: true }],
      ['keep-all=0', { keepAll: true }],
      ['keep-all=1,keep-last=0', { keepAll: true }],
    ];
    for (const [text, keep] of cases) assert.deepEqual(parsePruneBackups(text), keep, text);
  });

  test('what Proxmox refuses is refused, and said', () => {
    const cases: [string, RegExp][] = [
      ['keep-all=1,keep-last=3', /^cannot have keep-all together with other options$/],
      ['keep-last=3,keep-last=4', /^has keep-last twice$/],
      ['keep-last', /^takes .*, not "keep-last"$/],
      ['keep-last=', /^takes a whole number after keep-last=, not ""$/],
      ['keep-last=-1', /^takes a whole number after keep-last=, not "-1"$/],
      ['keep-last=1.5', /not "1\.5"$/],
      ['keep-last=99999999999999999999', /whole number/],
      ['keep-lsat=3', /not "keep-lsat=3"$/],
      ['constructor=3', /not "constructor=3"$/],
      ['3', /^takes keep-all=1, or some of keep-last, .*, not "3"$/],
      ['keep-all=yess', /^takes keep-all=1 or keep-all=0/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parsePruneBackups(text), { code: 'CONFIG', message, hint: /keep-last=3/ }, text);
  });

  test('never keeps nothing, and throws nothing else, whatever is written', () => {
    const part = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.constantFrom('keep-all', 'keep-last', 'keep-daily', 'keep-yearly'), fc.integer({ min: -1, max: 3 }))
        .map(([name, count]) => `${name}=${count}`),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        try {
          const { keepAll, ...counts } = parsePruneBackups(parts.join(','));
          assert.equal(keepAll === true, !Object.values(counts).some((count) => count > 0));
        } catch (error) {
          assert.ok(error instanceof LifeboatError && error.code === 'CONFIG', String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
