import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeepOptions } from '../../src/config/prune-backups.js';
import type { BootDisk } from '../../src/device/boot-disk.js';
import { LifeboatError } from '../../src/error.js';
import type { RunReport } from '../../src/image/report.js';
import type { RunEvent } from '../../src/notify/index.js';
import { type BootOptions, type BootResult, GUESTS_LEFT_OUT } from '../../src/sets/boot.js';
import { bootDuty, type DutyOptions } from '../../src/sets/boot-duty.js';
import type { BootRow } from '../../src/sets/boot-row.js';
import { dailyTimes, directory, makeSet, manifestOf } from './fake-set.js';

const DISK = { name: 'sda', path: '/dev/sda' } as BootDisk;
const [NEW = new Date(), OLD = new Date()] = dailyTimes(2);

type Run = NonNullable<DutyOptions['run']>;

/** What runBoot gives. */
function resultOf(set: string): BootResult {
  const timing = {
    wallMs: 1000,
    readMs: 900,
    readWaitMs: 0,
    codecMs: 500,
    codecWaitMs: 0,
    writeMs: 100,
    writeWaitMs: 0,
  };
  const manifest = manifestOf();
  const { plainBytes, readBytes, imageSizeBytes, consistency } = manifest;
  const source = { sizeBytes: plainBytes, skippedBytes: plainBytes - readBytes, consistency };
  const made = { codec: 'zstd', level: 3, engine: 'native', threads: 2, sizeBytes: imageSizeBytes, verified: false };
  const image = {
    source,
    image: { ...made, ratio: 4.5, ratioHistogram: [1, 2] },
    timing: { ...timing, bottleneck: 'reading' },
  };
  return { set, manifest, image: image as unknown as BootResult['image'] };
}

const goodRun: Run = async ({ onStart, to }, report) => {
  onStart(DISK);
  report.detail('left out: swap');
  return resultOf(join(to, 'set'));
};

interface Duty {
  rows: BootRow[];
  events: RunEvent[];
  warnings: string[];
  controller: AbortController;
  run(run: Run, changes?: Partial<DutyOptions>): Promise<BootResult>;
}

function duty(t: TestContext, keep: KeepOptions = { keepAll: true }): Duty & { base: string } {
  const base = directory(t);
  const rows: BootRow[] = [];
  const events: RunEvent[] = [];
  const warnings: string[] = [];
  const controller = new AbortController();
  const report: RunReport = {
    warn: (text) => warnings.push(text),
    detail: () => undefined,
    follow: () => () => undefined,
  };
  return {
    base,
    rows,
    events,
    warnings,
    controller,
    run: (run, changes) =>
      bootDuty(
        {
          boot: { to: base, codec: 'zstd', bwlimitKiBps: 0, signal: controller.signal } as BootOptions,
          keep,
          tell: async (event) => void events.push(event),
          record: async (row) => void rows.push(row),
          run,
          ...changes,
        },
        report,
      ),
  };
}

/** As the command line stops a run. */
function stop(signalName: NodeJS.Signals): Error {
  return Object.assign(new Error(`stopped by ${signalName}`), { signalName });
}

describe('boot-duty', () => {
  test('a good run: its start and its success are told, and the history has all of it', async (t) => {
    const { run, rows, events, warnings, base } = duty(t);
    const { set } = await run(goodRun);
    assert.equal(set, join(base, 'set'));
    assert.deepEqual(
      events.map(({ event, host, title, exitStatus }) => ({ event, host, title, exitStatus })),
      [
        { event: 'start', host: hostname(), title: 'saving the boot disk', exitStatus: undefined },
        { event: 'success', host: hostname(), title: 'boot disk saved', exitStatus: 0 },
      ],
    );
    assert.equal(events[1]?.set, set);
    assert.match(
      events[1]?.text ?? '',
      /\/dev\/sda -> .*set\n8\.0 GiB, of them 1\.0 GiB read, in 1 min 0 s; image 1000 bytes/,
    );
    assert.match(events[1]?.logTail?.[0] ?? '', /^20\S+Z left out: swap$/);
    assert.equal(rows.length, 1);
    const { time, durationMs, processorMs, stages, ...row } = rows[0] as BootRow;
    assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000 && durationMs >= 0 && processorMs >= 0);
    assert.equal(stages?.bottleneck, 'reading');
    assert.deepEqual(row, {
      kind: 'boot',
      host: hostname(),
      disk: '/dev/sda',
      serial: 'S6PNNX0T',
      codec: 'zstd',
      level: 3,
      engine: 'native',
      threads: 2,
      bwlimitKiBps: 0,
      plainBytes: 8 * 1024 ** 3,
      readBytes: 1024 ** 3,
      imageBytes: 1000,
      ratio: 4.5,
      ratioHistogram: [1, 2],
      MBps: 1073.7,
      verified: true,
      consistency: 'snapshot',
      outcome: 'success',
      exitStatus: 0,
      set,
      warnings: 0,
    });
    assert.deepEqual(warnings, []);
  });

  test('a run with warnings is told as one; that guests are left out, as always, is none', async (t) => {
    const { run, rows, events, warnings } = duty(t);
    await run(async (options, report) => {
      report.warn(GUESTS_LEFT_OUT);
      return goodRun(options, report);
    });
    assert.deepEqual([rows[0]?.outcome, rows[0]?.warnings, events.at(-1)?.event], ['success', 0, 'success']);
    assert.deepEqual(warnings, [GUESTS_LEFT_OUT]);
    await run(async (options, report) => {
      report.warn('LVM metadata moved');
      report.warn('and again');
      return goodRun(options, report);
    });
    assert.deepEqual([rows[1]?.outcome, rows[1]?.warnings, rows[1]?.exitStatus], ['warning', 2, 0]);
    assert.deepEqual([events.at(-1)?.event, events.at(-1)?.title], ['warning', 'boot disk saved with 2 warnings']);
  });

  test('a failed run is recorded and told with its exit status and the end of its log, and fails', async (t) => {
    const { run, rows, events } = duty(t);
    const failure = new LifeboatError('NO_SPACE', 'Cannot write "/mnt/x"', { hint: 'free some room' });
    await assert.rejects(
      run(async ({ onStart }, report) => {
        onStart(DISK);
        for (let line = 1; line <= 60; line++) report.detail(`line ${line}`);
        throw failure;
      }),
      (error) => error === failure,
    );
    const told = events.at(-1);
    assert.deepEqual([told?.event, told?.exitStatus, told?.set], ['failure', 14, undefined]);
    assert.equal(told?.text, 'Cannot write "/mnt/x"\nfree some room');
    assert.equal(told?.logTail?.length, 40);
    assert.match(told?.logTail?.at(-1) ?? '', /error: Cannot write "\/mnt\/x"$/);
    assert.match(told?.logTail?.[0] ?? '', / line 22$/);
    const { disk, outcome, exitStatus, error, warnings, set } = rows[0] as BootRow;
    assert.deepEqual(
      { disk, outcome, exitStatus, error, warnings, set },
      {
        disk: '/dev/sda',
        outcome: 'failure',
        exitStatus: 14,
        error: 'Cannot write "/mnt/x"',
        warnings: 0,
        set: undefined,
      },
    );
  });

  test('a disk that is busy for too long is a failure, of which no start is told', async (t) => {
    const { run, rows, events } = duty(t);
    await assert.rejects(
      run(() => Promise.reject(new LifeboatError('BUSY', 'Cannot image "sda": another run is at it'))),
      { code: 'BUSY' },
    );
    assert.deepEqual(
      events.map(({ event, exitStatus }) => [event, exitStatus]),
      [['failure', 11]],
    );
    assert.deepEqual([rows[0]?.exitStatus, rows[0]?.disk], [11, undefined]);
  });

  test('a defect of ours is a failure with status 1', async (t) => {
    const { run, rows } = duty(t);
    await assert.rejects(
      run(() => Promise.reject(new TypeError('x is undefined'))),
      TypeError,
    );
    assert.deepEqual([rows[0]?.exitStatus, rows[0]?.error], [1, 'x is undefined']);
  });

  test('who is not root is told so, and nobody else', async (t) => {
    const { run, rows, events } = duty(t);
    await assert.rejects(
      run(() => Promise.reject(new LifeboatError('NEEDS_ROOT', 'no'))),
      { code: 'NEEDS_ROOT' },
    );
    assert.deepEqual([rows, events], [[], []]);
  });

  test('a stopped run is recorded and told with the status of its signal, within the time that vzdump gives', async (t) => {
    const { run, rows, events, controller } = duty(t);
    const limits: number[] = [];
    const waiting = run(
      async ({ onStart, signal }) => {
        onStart(DISK);
        await sleep(60_000, undefined, { signal }).catch(() => signal.throwIfAborted());
        throw new Error('not reached');
      },
      {
        tell: (event, limitMs) => {
          events.push(event);
          limits.push(limitMs);
          // A target that never answers.
          return event.event === 'start' ? Promise.resolve() : new Promise(() => undefined);
        },
      },
    );
    await sleep(50);
    const since = performance.now();
    controller.abort(stop('SIGTERM'));
    await assert.rejects(waiting, /stopped by SIGTERM/);
    assert.ok(performance.now() - since < 4500);
    assert.deepEqual([rows[0]?.exitStatus, rows[0]?.outcome], [143, 'failure']);
    assert.deepEqual([events.at(-1)?.text, events.at(-1)?.exitStatus], ['stopped by SIGTERM', 143]);
    assert.ok((limits[0] ?? 0) >= 10_000 && (limits[1] ?? Infinity) <= 2000);
  });

  test('a failing notification or history changes nothing but a warning', async (t) => {
    for (const fail of [
      () => Promise.reject(new Error('broken')),
      () => {
        throw new Error('broken');
      },
    ]) {
      const { run, rows, warnings, base } = duty(t);
      const { set } = await run(goodRun, { tell: fail });
      assert.equal(set, join(base, 'set'));
      assert.deepEqual([rows[0]?.outcome, rows[0]?.warnings], ['success', 0]);
      assert.deepEqual(warnings, [
        'nobody could be told that this run began: broken',
        'nobody could be told how this run ended: broken',
      ]);
      const other = duty(t);
      await other.run(goodRun, { record: fail });
      assert.deepEqual(
        other.events.map(({ event }) => event),
        ['start', 'success'],
      );
      assert.deepEqual(other.warnings, ['the history has no row of this run: broken']);
      const failing = duty(t);
      const failure = new LifeboatError('DAMAGE', 'read back, it is wrong');
      await assert.rejects(
        failing.run(() => Promise.reject(failure), { tell: fail, record: fail }),
        failure,
      );
    }
  });

  test('whoever never answers is not waited for, and does not hold up the run', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { run, rows, warnings } = duty(t);
    let hasRun = false;
    const running = run(
      async (options, report) => {
        const result = await goodRun(options, report);
        hasRun = true;
        return result;
      },
      { tell: () => new Promise(() => undefined), record: () => new Promise(() => undefined) },
    );
    while (!hasRun) await new Promise(setImmediate);
    for (let second = 0; second < 60; second++) {
      t.mock.timers.tick(1000);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
    assert.ok('set' in (await running));
    assert.deepEqual(rows, []);
    assert.equal(warnings.length, 3, warnings.join('\n'));
    for (const text of warnings) assert.match(text, /it took longer than \d+ s$/);
  });

  test('the end is told after the start, however slow that is', async (t) => {
    const { run } = duty(t);
    const told: string[] = [];
    await run(goodRun, {
      tell: async ({ event }) => {
        if (event === 'start') await sleep(200);
        told.push(event);
      },
    });
    assert.deepEqual(told, ['start', 'success']);
  });
});

describe('boot-duty and old sets', () => {
  test("a good run removes this host's that nothing keeps, and nobody else's", async (t) => {
    const { run, base, rows } = duty(t, { keepLast: 1 });
    const own = [NEW, OLD].map((time) => makeSet(base, { time, hostname: hostname() }));
    const others = [NEW, OLD].map((time) => makeSet(base, { time, hostname: `${hostname()}2` }));
    await run(goodRun);
    assert.deepEqual(
      [...own, ...others].map((path) => existsSync(path)),
      [true, false, true, true],
    );
    assert.equal(rows[0]?.outcome, 'success');
  });

  test('a failed run removes nothing', async (t) => {
    const { run, base } = duty(t, { keepLast: 1 });
    const own = [NEW, OLD].map((time) => makeSet(base, { time, hostname: hostname() }));
    await assert.rejects(run(() => Promise.reject(new LifeboatError('FAILED', 'no'))));
    assert.ok(own.every((path) => existsSync(path)));
  });

  test('keep-all removes nothing', async (t) => {
    const { run, base } = duty(t, { keepAll: true });
    const own = [NEW, OLD].map((time) => makeSet(base, { time, hostname: hostname() }));
    await run(goodRun);
    assert.ok(own.every((path) => existsSync(path)));
  });

  test('what cannot be pruned is a warning: the set is made', async (t) => {
    const { run, base, rows, events, warnings } = duty(t, { keepLast: 1 });
    const { set } = await run(async (options, report) => {
      rmSync(base, { recursive: true });
      return goodRun(options, report);
    });
    assert.equal(set, join(base, 'set'));
    assert.deepEqual([rows[0]?.outcome, rows[0]?.exitStatus, rows[0]?.warnings], ['warning', 0, 1]);
    assert.equal(events.at(-1)?.event, 'warning');
    assert.match(warnings[0] ?? '', /^old sets were not pruned: Cannot list/);
  });

  test('a run that is stopped while it prunes has made its set', async (t) => {
    const { run, base, rows, controller } = duty(t, { keepLast: 1 });
    for (const time of [NEW, OLD]) makeSet(base, { time, hostname: hostname() });
    await run(async (options, report) => {
      const result = await goodRun(options, report);
      controller.abort(stop('SIGTERM'));
      return result;
    });
    assert.deepEqual([rows[0]?.outcome, rows[0]?.set], ['warning', join(base, 'set')]);
  });
});
