import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { KeepOptions } from '../../src/config/prune-backups.js';
import { judgeRetention, type RetentionItem } from '../../src/sets/retention.js';

const HOUR_MS = 60 * 60 * 1000;

function item(time: string, changes: Partial<RetentionItem> = {}): RetentionItem {
  return { time: new Date(time), group: 'a', good: true, protected: false, ...changes };
}

function kept(items: RetentionItem[], keep: KeepOptions): RetentionItem[] {
  return judgeRetention(items, keep)
    .filter(({ verdict }) => verdict === 'keep')
    .map((judged) => judged.item);
}

function keptTimes(times: string[], keep: KeepOptions): string[] {
  const items = times.map((time) => item(time));
  return kept(items, keep).map((one) => times[items.indexOf(one)] ?? '?');
}

/** Local times, as somebody in front of the host would write them. */
const LOCAL = [
  '2026-11-20T20:30:00',
  '2026-11-20T12:00:00',
  '2026-11-20T08:00:00',
  '2026-11-19T23:30:00',
  '2026-11-19T01:00:00',
  '2026-11-15T12:00:00', // Sunday of the week before
  '2026-11-09T12:00:00', // Monday of that week
  '2026-11-08T12:00:00',
  '2026-10-31T12:00:00',
  '2026-10-01T12:00:00',
  '2025-12-31T12:00:00',
  '2025-01-01T12:00:00',
  '2024-06-01T12:00:00',
];

describe('as Proxmox does it', () => {
  test('keep-last counts sets', () => {
    assert.deepEqual(keptTimes(LOCAL, { keepLast: 3 }), LOCAL.slice(0, 3));
  });

  test('keep-daily takes the newest of each day that has one; days without one do not count', () => {
    assert.deepEqual(keptTimes(LOCAL, { keepDaily: 3 }), [
      '2026-11-20T20:30:00',
      '2026-11-19T23:30:00',
      '2026-11-15T12:00:00',
    ]);
  });

  test('an option passes over periods in which an earlier one keeps a set', () => {
    // The 20th and the 19th are covered by keep-last: keep-daily begins on the 15th.
    assert.deepEqual(keptTimes(LOCAL, { keepLast: 4, keepDaily: 2 }), [
      ...LOCAL.slice(0, 4),
      '2026-11-15T12:00:00',
      '2026-11-09T12:00:00',
    ]);
  });

  test('weeks are of ISO 8601: Monday to Sunday', () => {
    assert.deepEqual(keptTimes(LOCAL, { keepWeekly: 3 }), [
      '2026-11-20T20:30:00',
      '2026-11-15T12:00:00',
      '2026-11-08T12:00:00',
    ]);
    // 2026-12-31 and 2027-01-01 are in one week; 2027-01-04 begins the next.
    assert.deepEqual(
      keptTimes(['2027-01-04T00:00:00', '2027-01-01T12:00:00', '2026-12-31T12:00:00'], { keepWeekly: 2 }),
      ['2027-01-04T00:00:00', '2027-01-01T12:00:00'],
    );
    // The 29th of December 2025 is in the first week of 2026, not in that of 2025.
    assert.deepEqual(
      keptTimes(['2026-01-01T12:00:00', '2025-12-29T12:00:00', '2025-01-02T12:00:00'], { keepWeekly: 9 }),
      ['2026-01-01T12:00:00', '2025-01-02T12:00:00'],
    );
  });

  test('months, years, hours', () => {
    assert.deepEqual(keptTimes(LOCAL, { keepMonthly: 2 }), ['2026-11-20T20:30:00', '2026-10-31T12:00:00']);
    assert.deepEqual(keptTimes(LOCAL, { keepYearly: 9 }), [
      '2026-11-20T20:30:00',
      '2025-12-31T12:00:00',
      '2024-06-01T12:00:00',
    ]);
    const hour = ['2026-11-20T20:59:59', '2026-11-20T20:00:00', '2026-11-20T19:59:59'];
    assert.deepEqual(keptTimes(hour, { keepHourly: 2 }), [hour[0], hour[2]]);
  });

  test('the example of the documentation: 3 last, 13 daily, 8 weekly, 11 monthly, 9 yearly on daily sets of ten years', () => {
    const daily = Array.from({ length: 3650 }, (_, day) => item(new Date(2026, 10, 20 - day, 2).toISOString()));
    const keep = { keepLast: 3, keepDaily: 13, keepWeekly: 8, keepMonthly: 11, keepYearly: 9 };
    assert.equal(kept(daily, keep).length, 3 + 13 + 8 + 11 + 9);
  });
});

test('without an option that keeps something nothing goes', () => {
  for (const keep of [{}, { keepLast: 0 }, { keepAll: true, keepLast: 1 }])
    assert.equal(keptTimes(LOCAL, keep).length, LOCAL.length);
});

test('groups are judged each by itself: pve does not prune pve2', () => {
  const items = [
    item('2026-11-20T12:00:00Z', { group: 'pve2' }),
    item('2026-11-19T12:00:00Z', { group: 'pve2' }),
    item('2026-01-01T12:00:00Z', { group: 'pve' }),
  ];
  assert.deepEqual(kept(items, { keepLast: 1 }), [items[0], items[2]]);
});

test('what is not good takes the place of none that is, and stays', () => {
  const items = [
    item('2026-11-20T12:00:00Z', { good: false }),
    item('2026-11-19T12:00:00Z'),
    item('2026-11-18T12:00:00Z'),
  ];
  assert.deepEqual(kept(items, { keepLast: 1 }), [items[0], items[1]]);
});

test('a protected set stays and takes no place either', () => {
  const items = [
    item('2026-11-20T12:00:00Z', { protected: true }),
    item('2026-11-19T12:00:00Z'),
    item('2026-11-18T12:00:00Z'),
    item('2026-01-18T12:00:00Z', { protected: true }),
  ];
  assert.deepEqual(kept(items, { keepLast: 1 }), [items[0], items[1], items[3]]);
});

const option = fc.nat({ max: 4 });
const keeps: fc.Arbitrary<KeepOptions> = fc.record({
  keepLast: option,
  keepHourly: option,
  keepDaily: option,
  keepWeekly: option,
  keepMonthly: option,
  keepYearly: option,
});
const oneItem: fc.Arbitrary<RetentionItem> = fc.record({
  // Half an hour to four years ago, close together as well as far apart.
  time: fc
    .oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 70_000 }))
    .map((halves) => new Date(Date.UTC(2026, 10, 20) - (halves * HOUR_MS) / 2)),
  group: fc.constantFrom('a', 'b'),
  good: fc.boolean(),
  protected: fc.boolean(),
});
const items = fc.array(oneItem, { maxLength: 60 });
const itemsOfDifferentTimes = fc.uniqueArray(oneItem, {
  maxLength: 60,
  selector: ({ time, group }) => `${time.getTime()} ${group}`,
});

test('the newest good set of each group, protected ones and broken ones are never removed', () => {
  fc.assert(
    fc.property(items, keeps, (all, keep) => {
      const stays = new Set(kept(all, keep));
      for (const one of all) if (one.protected || !one.good) assert.ok(stays.has(one));
      for (const group of ['a', 'b']) {
        const good = all.filter((one) => one.group === group && one.good);
        const newest = Math.max(...good.map(({ time }) => time.getTime()));
        if (good.length > 0) assert.ok(good.some((one) => one.time.getTime() === newest && stays.has(one)));
      }
    }),
  );
});

test('the verdict depends neither on the order nor on other groups', () => {
  fc.assert(
    fc.property(itemsOfDifferentTimes, keeps, (all, keep) => {
      const stays = new Set(kept(all, keep));
      assert.deepEqual(new Set(kept([...all].reverse(), keep)), stays);
      for (const group of ['a', 'b']) {
        const alone = all.filter((one) => one.group === group);
        assert.deepEqual(new Set(kept(alone, keep)), new Set(alone.filter((one) => stays.has(one))));
      }
    }),
  );
});

test('a larger number never keeps fewer sets', () => {
  const names = ['keepLast', 'keepHourly', 'keepDaily', 'keepWeekly', 'keepMonthly', 'keepYearly'] as const;
  fc.assert(
    fc.property(items, keeps, fc.constantFrom(...names), fc.integer({ min: 1, max: 3 }), (all, keep, name, more) => {
      // From no option at all to one is from everything to something.
      if (Object.values(keep).every((count) => count === 0)) return;
      const larger = { ...keep, [name]: (keep[name] ?? 0) + more };
      assert.ok(kept(all, larger).length >= kept(all, keep).length);
    }),
    { numRuns: 2000 },
  );
});

test('and where weeks are not among them, none that a smaller one keeps', () => {
  // Weeks reach over the end of months, so that a week more may cover a month by an older set.
  const names = ['keepLast', 'keepHourly', 'keepDaily', 'keepMonthly', 'keepYearly'] as const;
  fc.assert(
    fc.property(items, keeps, fc.constantFrom(...names), fc.integer({ min: 1, max: 3 }), (all, some, name, more) => {
      const keep = { ...some, keepWeekly: 0 };
      if (Object.values(keep).every((count) => count === 0)) return;
      const larger = new Set(kept(all, { ...keep, [name]: (keep[name] ?? 0) + more }));
      for (const one of kept(all, keep)) assert.ok(larger.has(one));
    }),
    { numRuns: 2000 },
  );
});
