import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONFIG } from '../../src/config/schema.js';
import { type NotifyTarget, notify, type RunEvent } from '../../src/notify/index.js';
import { VERSION } from '../../src/version.js';
import { directory, event, service } from './service.js';

const ALL = ['success', 'warning', 'failure'] as const;

function tokenIn(base: string, token: string): string {
  const path = join(base, 'token');
  writeFileSync(path, `${token}\n`, { mode: 0o600 });
  return path;
}

test('a webhook gets the event as JSON, with its token', async (t) => {
  const { origin, heard } = await service(t);
  const target: NotifyTarget = {
    type: 'webhook',
    on: ALL,
    url: `${origin}/hook?a=1`,
    'token-file': tokenIn(directory(t), 'tk_secret'),
  };
  const told = event({ set: '/mnt/nas/x', logTail: ['one', 'größer'] });
  assert.deepEqual(await notify([target], told), []);
  const [{ method, path, headers, body } = assert.fail()] = heard;
  assert.deepEqual([method, path], ['POST', '/hook?a=1']);
  assert.equal(headers.authorization, 'Bearer tk_secret');
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['user-agent'], `lifeboat/${VERSION}`);
  const { time, ...rest } = JSON.parse(body);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 10_000);
  assert.deepEqual(rest, {
    ...told,
    summary: '[lifeboat] pve1: boot disk FAILED (exit 14): no space',
    version: VERSION,
  });
});

test('ntfy gets text, with title, priority and tags as headers', async (t) => {
  const { origin, heard } = await service(t);
  const target: NotifyTarget = { type: 'ntfy', on: ALL, url: `${origin}/topic` };
  for (const outcome of ALL) await notify([target], event({ event: outcome, text: 'größer' }));
  assert.deepEqual(
    heard.map(({ path, headers, body }) => [path, headers.priority, headers.tags, headers.authorization, body]),
    [
      ['/topic', '3', 'white_check_mark', undefined, 'größer\n'],
      ['/topic', '4', 'warning', undefined, 'größer\n'],
      ['/topic', '5', 'rotating_light', undefined, 'größer\n'],
    ],
  );
  assert.equal(heard[0]?.headers.title, '[lifeboat] pve1: boot disk');
  assert.match(String(heard[2]?.headers.title), /^(=\?UTF-8\?B\?[A-Za-z0-9+/=]+\?= ?)+$/);
});

test('ntfy is never told more than it takes as a message', async (t) => {
  const { origin, heard } = await service(t);
  const logTail = Array.from({ length: 1000 }, (_, i) => `größere line ${i}`);
  await notify([{ type: 'ntfy', on: ALL, url: `${origin}/topic` }], event({ logTail }));
  const body = heard[0]?.body ?? '';
  assert.ok(Buffer.byteLength(body) <= 4096 && Buffer.byteLength(body) > 4000);
  assert.match(body, /line 999\n$/);
});

test('gotify gets JSON at /message with its key in a header', async (t) => {
  const { origin, heard } = await service(t);
  const target: NotifyTarget = {
    type: 'gotify',
    on: ALL,
    url: `${origin}/gotify/`,
    'token-file': tokenIn(directory(t), 'Akey'),
  };
  assert.deepEqual(await notify([target], event({ text: 'no space' })), []);
  const [{ path, headers, body } = assert.fail()] = heard;
  assert.equal(path, '/gotify/message');
  assert.equal(headers['x-gotify-key'], 'Akey');
  assert.deepEqual(JSON.parse(body), {
    title: '[lifeboat] pve1: boot disk FAILED (exit 14): no space',
    message: 'no space\n',
    priority: 8,
  });
});

test('healthchecks hears of the start and of every outcome, paired by the run', async (t) => {
  const { origin, heard } = await service(t);
  const target: NotifyTarget = { type: 'healthchecks', url: `${origin}/ping/uuid` };
  const runId = randomUUID();
  const events: Partial<RunEvent>[] = [
    { event: 'start' },
    { event: 'success', exitStatus: 0 },
    { event: 'warning', text: '2 warnings', exitStatus: 3 },
    { event: 'failure', exitStatus: 14, logTail: ['last line'] },
    { event: 'failure', exitStatus: 0 },
    { event: 'failure', exitStatus: 256 },
  ];
  for (const one of events) assert.deepEqual(await notify([target], event(one), { runId }), []);
  const { exitStatus: _, ...unknown } = event();
  await notify([target], unknown);
  assert.deepEqual(
    heard.map(({ path }) => path),
    [...['/start', '', '', '/14', '/fail', '/fail'].map((step) => `/ping/uuid${step}?rid=${runId}`), '/ping/uuid/fail'],
  );
  assert.equal(heard[2]?.body, '2 warnings\n');
  assert.match(heard[3]?.body ?? '', /last line\n$/);
});

test('healthchecks is sent the last 100 kB of the log', async (t) => {
  const { origin, heard } = await service(t);
  const logTail = Array.from({ length: 20_000 }, (_, i) => `größere line ${i}`);
  await notify([{ type: 'healthchecks', url: `${origin}/uuid` }], event({ logTail }));
  const bytes = Buffer.byteLength(heard[0]?.body ?? '');
  assert.ok(bytes <= 100_000 && bytes > 99_900, `${bytes} bytes`);
  assert.match(heard[0]?.body ?? '', /line 19999\n$/);
});

test('the address of healthchecks may be a secret of its own', async (t) => {
  const { origin, heard } = await service(t);
  const base = directory(t);
  writeFileSync(join(base, 'hc'), `${origin}/secret-uuid\n`, { mode: 0o600 });
  const target: NotifyTarget = { type: 'healthchecks', 'url-file': 'hc' };
  assert.deepEqual(await notify([target], event({ event: 'start' }), { credentialsDirectory: base }), []);
  assert.equal(heard[0]?.path, '/secret-uuid/start');
});

test('each is told only of what it is on for', async (t) => {
  const { origin, heard } = await service(t);
  const targets: NotifyTarget[] = ALL.map((outcome) => ({ type: 'ntfy', on: [outcome], url: `${origin}/${outcome}` }));
  for (const outcome of ['start', ...ALL] as const) await notify(targets, event({ event: outcome }));
  assert.deepEqual(
    heard.map(({ path }) => path),
    ['/success', '/warning', '/failure'],
  );
});

test('what the configuration gives is what notify takes', async (t) => {
  const { origin, heard } = await service(t);
  const token = tokenIn(directory(t), 'tk');
  const { notify: targets } = CONFIG.parse({
    notify: [
      { type: 'webhook', url: `${origin}/webhook` },
      { type: 'ntfy', url: `${origin}/ntfy`, 'token-file': token },
      { type: 'gotify', url: origin, 'token-file': token },
      { type: 'healthchecks', url: `${origin}/hc` },
    ],
  });
  assert.deepEqual(await notify(targets, event()), []);
  assert.deepEqual(heard.map(({ path }) => path).sort(), ['/hc/14', '/message', '/ntfy', '/webhook']);
});
