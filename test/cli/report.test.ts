import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { HostCalibration } from '../../src/metrics/calibration-file.js';
import { bootNights, DAY_MS, START_MS } from '../metrics/synthetic.js';
import { makeSet } from '../sets/fake-set.js';
import { directory, diskBytes, ends, fileOf, imageOf, lifeboat, MIB, STATUS } from './program.js';

const needsRoot = process.getuid?.() === 0 ? false : 'needs root: nobody else has a history';

interface Host {
  base: string;
  history: string;
  run(...args: string[]): ReturnType<typeof lifeboat>;
  rows(): Record<string, unknown>[];
}

/** A host with a configuration and a history of its own; `sendmail` stands for what mails. */
function host(t: TestContext, more = ''): Host {
  const base = directory(t);
  const history = join(base, 'history');
  mkdirSync(history, { mode: 0o700 });
  const config = fileOf(join(base, 'config.toml'), `notify = []\n[history]\ndirectory = "${history}"\n${more}`);
  const file = join(history, 'history.jsonl');
  return {
    base,
    history,
    run: (...args) => lifeboat(args, { env: { LIFEBOAT_CONFIG: config, LANG: 'C.UTF-8' }, timeout: 60_000 }),
    rows: () =>
      existsSync(file)
        ? readFileSync(file, 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [],
  };
}

/** Nights that end now, the last of which holds twice as much as it should. */
function fillHistory({ history }: Host, count = 20): void {
  const shiftMs = Date.now() - START_MS - count * DAY_MS;
  const plant = (night: number, row: { imageBytes: number }) =>
    night === count - 1 ? { imageBytes: 2 * row.imageBytes } : {};
  const lines = bootNights({ seed: 1, noise: 0.05, count, plant }).map((row) =>
    JSON.stringify({ ...row, time: new Date(Date.parse(row.time) + shiftMs).toISOString() }),
  );
  writeFileSync(join(history, 'history.jsonl'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

test('report without a history says so and is no failure', async (t) => {
  const ran = await host(t).run('report');
  ends(ran, STATUS.done);
  assert.match(ran.stdout, /^nothing to report\n\nnote: the history is empty/);
});

test('report shows the sources, and an alert with what to do; its exit status stays 0', {
  skip: needsRoot,
}, async (t) => {
  const here = host(t);
  fillHistory(here);
  appendFileSync(join(here.history, 'history.jsonl'), '{"kind":"bo');
  const ran = await here.run('report');
  ends(ran, STATUS.done);
  assert.match(ran.stdout, /^SOURCE .*\npve1 \/dev\/sda .*[▁-█]{12}/);
  assert.match(ran.stdout, /\nratio-low: pve1 \/dev\/sda: ratio 1\.\d\d, \d\d % under/);
  assert.match(ran.stdout, /\nnote: 1 line of the history could not be read/);
  assert.equal(ran.stderr, '');

  const json = JSON.parse((await here.run('report', '--json')).stdout);
  assert.equal(json.sources[0].runs.length, 20);
  assert.deepEqual(json.sources[0].runs.at(-1).odd, ['ratio-low']);
  assert.deepEqual(json.alerts.map(({ kind }: { kind: string }) => kind).sort(), ['ratio-low', 'unrehearsed']);
  assert.equal(JSON.parse((await here.run('report', '--json', '--days', '5')).stdout).sources[0].runs.length, 5);
  ends(
    await here.run('report', '--source', 'nobody'),
    STATUS.usage,
    /No source has "nobody".*\n.*there are: pve1 \/dev\/sda/,
  );
});

test('--html and --prometheus write whole files, for whom they are, and replace their own only', {
  skip: needsRoot,
}, async (t) => {
  const here = host(t);
  fillHistory(here);
  const out = join(here.base, 'out');
  mkdirSync(out);
  const [html, prom] = [join(out, 'r.html'), join(out, 'lifeboat.prom')];
  for (let turn = 0; turn < 2; turn++)
    ends(await here.run('report', '-q', '--html', html, '--prometheus', prom), STATUS.done);
  assert.match(readFileSync(html, 'utf8'), /^<!doctype html>.*<\/html>\n$/s);
  assert.match(readFileSync(prom, 'utf8'), /\nlifeboat_alert\{alert="ratio-low",[^}]+\} [12]\n/);
  assert.deepEqual([statSync(html).mode & 0o777, statSync(prom).mode & 0o777], [0o600, 0o644]);
  assert.deepEqual(readdirSync(out).sort(), ['lifeboat.prom', 'r.html']);

  const passwords = fileOf(join(out, 'passwords'), 'mine');
  ends(await here.run('report', '--html', passwords), STATUS.failed, /exists already and is no report/);
  const link = join(out, 'link.prom');
  symlinkSync(prom, link);
  ends(await here.run('report', '--prometheus', link), STATUS.failed, /exists already and is no report/);
  assert.equal(readFileSync(passwords, 'utf8'), 'mine');
  ends(await here.run('report', '--html', join(out, 'none', 'r.html')), STATUS.failed, /Cannot write/);
  assert.match((await here.run('report', '--prometheus', '-')).stdout, /^# Written by lifeboat report\n/);
});

test('report refuses what cannot be meant', async (t) => {
  const here = host(t);
  ends(await here.run('report', '--days', '0'), STATUS.usage, /--days takes/);
  ends(await here.run('report', '--prometheus', 'x.txt'), STATUS.usage, /ends in \.prom/);
  ends(await here.run('report', '--html', '-', '--json'), STATUS.usage, /all want stdout/);
});

test('a history that others may write is refused', { skip: needsRoot }, async (t) => {
  const here = host(t);
  fillHistory(here);
  chmodSync(join(here.history, 'history.jsonl'), 0o666);
  ends(await here.run('report'), STATUS.failed, /others may write it/);
});

test('image, verify and restore by root leave a row each; a dry run, and a host without a configuration, none', {
  skip: needsRoot,
}, async (t) => {
  const here = host(t);
  const source = fileOf(join(here.base, 'disk.img'), diskBytes(9 * MIB));
  const image = join(here.base, 'disk.img.zst');
  const target = join(here.base, 'out.img');
  ends(await here.run('image', source, '-o', image, '-q', '-n'), STATUS.done);
  ends(await here.run('image', source, '-o', image, '-q', '--chunk', '1MiB', '--verify'), STATUS.done);
  ends(await here.run('image', source, '-o', join(here.base, 'none', 'x')), STATUS.failed);
  ends(await here.run('verify', image, '-q'), STATUS.done);
  ends(await here.run('restore', image, '-o', target, '-q', '-n'), STATUS.done);
  ends(await here.run('restore', image, '-o', target, '-q'), STATUS.done);
  ends(await here.run('restore', image, '-o', target, '-q'), STATUS.failed, /exists already/);
  await imageOf(source, join(here.base, 'untold.zst'));

  const rows = here.rows();
  assert.deepEqual(
    rows.map(({ kind, outcome }) => `${kind} ${outcome}`),
    ['image success', 'image failure', 'verify whole', 'restore success', 'restore failure'],
  );
  const room = rows[0]?.target as { path: string; freeBytes: number; sizeBytes: number };
  assert.equal(room.path, here.base);
  assert.ok(room.freeBytes > 0 && room.sizeBytes >= room.freeBytes, JSON.stringify(room));
  const [saved, failed, , restored] = rows;
  assert.equal(saved?.plainBytes, 9 * MIB);
  assert.deepEqual([saved?.source, saved?.verified, saved?.codec, saved?.level], [source, true, 'zstd', 3]);
  const histogram = saved?.ratioHistogram as number[];
  assert.equal(
    histogram.reduce((sum, count) => sum + count, 0),
    9,
  );
  assert.ok(
    (saved?.processorMs as number) > 0 &&
      (saved?.MBps as number) > 0 &&
      Object.hasOwn(saved?.stages as object, 'wallMs'),
  );
  assert.match(String(failed?.error), /there is no directory/);
  assert.equal(restored?.plainBytes, 9 * MIB);
  assert.ok((restored?.actualMs as number) > 0 && restored?.predictedMs === undefined);
});

test('what cannot be recorded changes nothing of a run', { skip: needsRoot }, async (t) => {
  const here = host(t);
  chmodSync(here.history, 0o777);
  const source = fileOf(join(here.base, 'disk.img'), diskBytes(MIB));
  const ran = await here.run('image', source, '-o', join(here.base, 'i.zst'), '-v');
  ends(ran, STATUS.done, /the history has no row of this run: .*others may write it/);
  assert.deepEqual(here.rows(), []);
});

test('bench --save calibrates, and list, show and restore predict by it', { skip: needsRoot }, async (t) => {
  const sets = directory(t);
  const here = host(t, `[boot]\nto = "${sets}"\n`);
  const source = fileOf(join(here.base, 'disk.img'), diskBytes(3 * MIB));
  const set = makeSet(sets, { time: new Date('2026-11-20T20:30:00Z') });
  assert.doesNotMatch((await here.run('list')).stdout, /~/);

  const ran = await here.run('bench', source, '--save', '-p', '2');
  ends(ran, STATUS.done);
  assert.match(ran.stdout, /\nsaved: .*calibration\.json\n$/);
  assert.equal(statSync(join(here.history, 'calibration.json')).mode & 0o777, 0o600);
  const calibration = JSON.parse(readFileSync(join(here.history, 'calibration.json'), 'utf8')) as HostCalibration;
  assert.equal(calibration.threads, 2);
  for (const speed of [
    'readBytesPerSecond',
    'writeBytesPerSecond',
    'targetReadBytesPerSecond',
    'diskWriteBytesPerSecond',
  ] as const)
    assert.ok((calibration[speed] ?? 0) > 1e5, speed);
  assert.ok(
    calibration.codecs.length > 8 && calibration.codecs.every((row) => row.decodeBytesPerSecondPerThread > 1e5),
  );
  assert.deepEqual([readdirSync(sets), readdirSync(here.history)], [['pve1'], ['calibration.json']]);

  assert.match((await here.run('list')).stdout, /VERIFIED +RESTORE.*\n.*~\d/);
  assert.match(
    (await here.run('show', set)).stdout,
    /\nrestore +~\d.* on this host, (reading|decoding|writing) is slowest\n/,
  );
  const [listed] = JSON.parse((await here.run('list', '--json')).stdout).sets;
  assert.ok(listed.predictedRestoreMs > 200);

  const image = join(here.base, 'i.zst');
  ends(await here.run('image', source, '-o', image, '-q'), STATUS.done);
  const restored = await here.run('restore', image, '-o', join(here.base, 'o.img'));
  ends(restored, STATUS.done, /\npredicted: 0\.\d s\n/);
  const row = here.rows().at(-1);
  assert.ok((row?.predictedMs as number) > 0 && row?.modelMs === row?.predictedMs);
});

test('--notify tells an alert once', { skip: needsRoot }, async (t) => {
  const { createServer } = await import('node:http');
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      bodies.push(body);
      response.end('ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const here = host(t);
  writeFileSync(
    join(here.base, 'config.toml'),
    `[history]\ndirectory = "${here.history}"\n[[notify]]\ntype = "webhook"\nurl = "http://127.0.0.1:${port}/"\n`,
  );
  fillHistory(here);
  for (let turn = 0; turn < 2; turn++) ends(await here.run('report', '-q', '--notify'), STATUS.done);
  assert.equal(bodies.length, 1);
  const event = JSON.parse(bodies[0] ?? '');
  assert.equal(event.event, 'warning');
  assert.match(bodies[0] ?? '', /2 alerts.*ratio-low: pve1.*to do: /s);

  // A service that is away is told the next time.
  server.close();
  server.closeAllConnections();
  writeFileSync(join(here.history, 'alerts.json'), '{"told":{}}', { mode: 0o600 });
  ends(await here.run('report', '-q', '--notify'), STATUS.done, /warning: Cannot notify webhook/);
  assert.deepEqual(JSON.parse(readFileSync(join(here.history, 'alerts.json'), 'utf8')), { told: {} });
});
