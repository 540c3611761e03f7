import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import fc from 'fast-check';
import { type NotifyTarget, notify } from '../../src/notify/index.js';
import { certificate, directory, event, noOpenssl, service } from './service.js';

const FAILURE = ['failure'] as const;
const TOKEN = 'tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2';
const TOPIC = 'lifeboat-pve1-Zx81q';

function ntfy(url: string): NotifyTarget {
  return { type: 'ntfy', on: FAILURE, url };
}

function secretFile(t: TestContext, content: string): string {
  const path = join(directory(t), 'secret');
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

async function onlyFailure(target: NotifyTarget, options = {}): Promise<string> {
  const failures = await notify([target], event(), options);
  assert.equal(failures.length, 1);
  return failures[0]?.message ?? '';
}

test('a service that refuses is told with status and the first line of its answer', async (t) => {
  const { origin } = await service(t, (_heard, response) => response.writeHead(500).end('database is down\nmore'));
  assert.equal(await onlyFailure(ntfy(`${origin}/t`)), `Cannot notify ntfy at "${origin}": HTTP 500: database is down`);
  const page = await service(t, (_heard, response) => response.writeHead(502).end('<html>\n<body>'));
  assert.equal(await onlyFailure(ntfy(`${page.origin}/t`)), `Cannot notify ntfy at "${page.origin}": HTTP 502`);
});

test('healthchecks that does not know the check says OK, and is a failure all the same', async (t) => {
  const { origin } = await service(t, (_heard, response) => response.end('OK (not found)'));
  assert.match(await onlyFailure({ type: 'healthchecks', url: `${origin}/x` }), /HTTP 200: OK \(not found\)$/);
});

describe('a service that does not answer as it should is a failure in time', { concurrency: true }, () => {
  const misbehaviours: [string, RegExp, (response: ServerResponse) => void][] = [
    ['never answers', /no answer within 0.4 s$/, () => undefined],
    ['begins an answer and stops', /no answer within 0.4 s$/, (response) => response.writeHead(200).write('a')],
    [
      'sends a byte at a time',
      /no answer within 0.4 s$/,
      (response) => {
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
    ['hangs up', /socket hang up$/, (response) => response.destroy()],
    ['resets the connection', /ECONNRESET|socket hang up/, (response) => response.socket?.resetAndDestroy()],
    [
      'hangs up in mid-answer',
      /aborted$/,
      (response) => response.writeHead(200, { 'content-length': 9 }).write('a', () => response.destroy()),
    ],
    ['speaks no HTTP', /Parse Error/, (response) => response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n')],
  ];
  for (const [name, words, misbehave] of misbehaviours)
    test(name, async (t) => {
      const { origin, connections } = await service(t, (_heard, response) => misbehave(response));
      const since = performance.now();
      assert.match(await onlyFailure(ntfy(`${origin}/t`), { timeoutMs: 400 }), words);
      assert.ok(performance.now() - since < 5000);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(await connections(), 0);
    });
});

test('where nobody listens, the failure says so', async () => {
  assert.match(
    await onlyFailure(ntfy('http://127.0.0.1:1/t')),
    /^Cannot notify ntfy at "http:\/\/127.0.0.1:1": connect ECONNREFUSED/,
  );
  assert.match(await onlyFailure(ntfy('http://localhost:1/t')), /ECONNREFUSED/);
  assert.match(
    await onlyFailure(ntfy('http://lifeboat.invalid/t'), { timeoutMs: 2000 }),
    /ENOTFOUND|EAI_AGAIN|no answer/,
  );
});

test('a certificate that nobody vouches for is a failure, one of the system list is none', {
  skip: noOpenssl,
}, async (t) => {
  const { certPath, ...tls } = await certificate(t);
  const { origin, heard } = await service(t, undefined, tls);
  assert.match(await onlyFailure(ntfy(`${origin}/t`)), /self-signed certificate$/);
  assert.deepEqual(await notify([ntfy(`${origin}/t`)], event(), { certificatesPath: certPath }), []);
  assert.match(
    await onlyFailure(ntfy(`${origin}/t`), { certificatesPath: join(certPath, '..', 'none') }),
    /self-signed/,
  );
  assert.equal(heard.length, 1);
});

test('all are told at once, and one that fails keeps no other from it', async (t) => {
  const { origin, heard } = await service(t, ({ path }, response) => {
    if (path !== '/slow') response.end();
  });
  const targets = ['/slow', '/a', '/slow', '/b'].map((path) => ntfy(origin + path));
  const since = performance.now();
  const failures = await notify([...targets, { type: 'mail', on: FAILURE, to: '|evil' }], event(), { timeoutMs: 2000 });
  assert.ok(performance.now() - since < 3900);
  assert.deepEqual(
    failures.map(({ type }) => type),
    ['ntfy', 'ntfy', 'mail'],
  );
  assert.deepEqual(heard.map(({ path }) => path).sort(), ['/a', '/b', '/slow', '/slow']);
});

test('a signal ends it sooner', async (t) => {
  const { origin } = await service(t, () => undefined);
  const options = { signal: AbortSignal.timeout(100) };
  const since = performance.now();
  assert.match(await onlyFailure(ntfy(`${origin}/t`), options), /timeout/);
  assert.match(await onlyFailure(ntfy(`${origin}/t`), { signal: AbortSignal.abort(new Error('enough')) }), /enough$/);
  const mail = { type: 'mail', on: FAILURE, to: 'root' } as const;
  assert.match(await onlyFailure(mail, { signal: AbortSignal.abort(new Error('enough')) }), /enough$/);
  assert.ok(performance.now() - since < 5000);
});

test('a configuration that cannot be used is a failure in words, whatever it holds', async (t) => {
  assert.match(await onlyFailure({ type: 'healthchecks' }), /its url is no http or https address$/);
  assert.match(await onlyFailure(ntfy('ftp://x/y')), /its url is no http or https address$/);
  const urlFile = secretFile(t, 'no-address-but-secret');
  const message = await onlyFailure({ type: 'healthchecks', 'url-file': urlFile });
  assert.equal(message, `Cannot notify healthchecks: "${urlFile}" is no http or https address`);
  const [failure] = await notify(
    [{ ...ntfy('http://127.0.0.1:1/'), 'token-file': '/none/token' } as NotifyTarget],
    event(),
  );
  assert.match(failure?.message ?? '', /^Cannot read the secret "\/none\/token": ENOENT/);
});

test('no failure tells a token, a topic or the address of a check', async (t) => {
  const repeats = await service(t, ({ path, headers, body }, response) => {
    const all = `${path} ${decodeURIComponent(path).toUpperCase()} ${JSON.stringify(headers)} ${body}`;
    response.writeHead(403, 'no', { location: path }).end(`no: ${all.replaceAll('\n', ' ')}`);
  });
  const redirects = await service(t, ({ path }, response) =>
    response.writeHead(302, { location: `http://127.0.0.1:1${path}?${TOKEN}` }).end(),
  );
  const hangs = await service(t, () => undefined);
  const resets = await service(t, (_heard, response) => response.destroy());
  const origins = [repeats, redirects, hangs, resets].map(({ origin }) => origin);
  const path = secretFile(t, TOKEN);
  const options = { timeoutMs: 300 };
  for (const origin of [...origins, 'http://127.0.0.1:1', 'http://lifeboat.invalid', 'https://127.0.0.1:1']) {
    const url = `${origin.replace('//', `//user:${TOPIC}@`)}/${TOPIC}/%7E${TOPIC}?auth=${TOPIC}#${TOPIC}`;
    const targets: NotifyTarget[] = [
      { type: 'webhook', on: FAILURE, url, 'token-file': path },
      { type: 'ntfy', on: FAILURE, url, 'token-file': path },
      { type: 'gotify', on: FAILURE, url, 'token-file': path },
      { type: 'healthchecks', url },
      { type: 'healthchecks', 'url-file': secretFile(t, url) },
    ];
    const failures = await notify(targets, event(), options);
    assert.equal(failures.length, targets.length);
    for (const { message, hint } of failures) {
      const words = `${message} ${hint}`.toLowerCase();
      assert.ok(!words.includes(TOKEN.toLowerCase()) && !words.includes(TOPIC.toLowerCase()), words);
      assert.ok(message.includes(`"${origin}"`), message);
    }
  }
});

test('whatever a token is, a service that repeats it does not get it into a failure', async (t) => {
  const { origin } = await service(t, ({ headers }, response) => {
    const token = String(headers.authorization ?? headers['x-gotify-key']).replace('Bearer ', '');
    response.writeHead(401).end(`${'x'.repeat(180)} ${token} is unknown`);
  });
  const path = secretFile(t, '');
  const token = fc.stringMatching(/^[\x21-\x7e]{12,60}$/).filter((text) => !text.includes('xxxx'));
  await fc.assert(
    fc.asyncProperty(token, fc.constantFrom('webhook', 'ntfy', 'gotify'), async (secret, type) => {
      writeFileSync(path, secret);
      const message = await onlyFailure({ type, on: FAILURE, url: origin, 'token-file': path });
      for (let at = 0; at + 6 <= secret.length; at++) assert.ok(!message.includes(secret.slice(at, at + 6)), message);
    }),
    { numRuns: 60 },
  );
});

test('a secret that others can read, or behind a link, is not used', async (t) => {
  const { origin, heard } = await service(t);
  const path = secretFile(t, TOKEN);
  const link = join(directory(t), 'link');
  symlinkSync(path, link);
  const target = { type: 'ntfy', on: FAILURE, url: origin } as const;
  assert.match(await onlyFailure({ ...target, 'token-file': link }), /it is a symbolic link$/);
  assert.deepEqual(heard, []);
});

test('nothing of it holds up the end of the process', async (t) => {
  const base = directory(t);
  const pidPath = join(base, 'pid');
  const sendmailPath = join(base, 'sendmail');
  writeFileSync(sendmailPath, `#!/bin/sh\necho $$ >"${pidPath}"\nexec sleep 60\n`, { mode: 0o755 });
  const hangs = await service(t, () => undefined);
  const answers = await service(t, (_heard, response) => response.writeHead(200, { connection: 'keep-alive' }).end());
  const program = join(base, 'program.mjs');
  const targets = [{ type: 'mail', on: FAILURE, to: 'root' }, ntfy(`${hangs.origin}/t`), ntfy(`${answers.origin}/t`)];
  writeFileSync(
    program,
    `import { notify } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/notify/index.js')).href)};
const failures = await notify(${JSON.stringify(targets)}, ${JSON.stringify(event())}, { timeoutMs: 700, sendmailPath: ${JSON.stringify(sendmailPath)} });
await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const held = process.getActiveResourcesInfo().filter((name) => !/^(Pipe|TTY|FS)/.test(name));
console.log(failures.length, held.join());
`,
  );
  const since = performance.now();
  const { stdout } = await execa(process.execPath, [program], { timeout: 10_000 });
  assert.equal(stdout.trim(), '2');
  assert.ok(performance.now() - since < 9000);
  assert.throws(() => process.kill(Number(readFileSync(pidPath, 'utf8')), 0), { code: 'ESRCH' });
});
