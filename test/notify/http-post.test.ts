import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type HttpPost, post } from '../../src/notify/http-post.js';
import { certificate, noOpenssl, service } from './service.js';

function told(url: string, over: Partial<HttpPost> = {}): HttpPost {
  return {
    url: new URL(url),
    headers: { Title: 'x' },
    secretHeaders: { Authorization: 'Bearer token' },
    body: 'größer',
    ...over,
  };
}

function plain(t: TestContext) {
  const controller = new AbortController();
  t.after(() => controller.abort());
  return { signal: controller.signal, ca: undefined };
}

test('redirects of every kind are followed with the message, at most three', async (t) => {
  const { origin, heard } = await service(t, ({ path }, response) => {
    const [, status, left] = /^\/(\d+)\/(\d+)$/.exec(path) ?? [];
    if (Number(left) === 0) response.end('done');
    else response.writeHead(Number(status), { location: `/${status}/${Number(left) - 1}` }).end();
  });
  for (const status of [301, 302, 307, 308]) {
    heard.length = 0;
    assert.deepEqual(await post(told(`${origin}/${status}/3`), plain(t)), { status: 200, body: 'done' });
    assert.equal(heard.length, 4);
    for (const { method, headers, body } of heard)
      assert.deepEqual([method, headers.authorization, body], ['POST', 'Bearer token', 'größer']);
    await assert.rejects(post(told(`${origin}/${status}/4`), plain(t)), /it redirects more than 3 times/);
  }
  heard.length = 0;
  await post(told(`${origin}/303/1`), plain(t));
  assert.deepEqual(
    heard.map(({ method, body }) => [method, body]),
    [
      ['POST', 'größer'],
      ['GET', ''],
    ],
  );
});

test('a loop of redirects ends', async (t) => {
  const { origin, heard } = await service(t, ({ path }, response) => response.writeHead(302, { location: path }).end());
  await assert.rejects(post(told(`${origin}/x`), plain(t)), /more than 3 times/);
  assert.equal(heard.length, 4);
});

test('another origin is told the message, never the token, also not on the way back', async (t) => {
  const other = await service(t, (_heard, response) =>
    response.writeHead(307, { location: `${first.origin}/end` }).end(),
  );
  const first = await service(t, ({ path }, response) => {
    if (path === '/end') response.end('done');
    else response.writeHead(307, { location: `${other.origin}/elsewhere` }).end();
  });
  assert.deepEqual(await post(told(`${first.origin}/start`), plain(t)), { status: 200, body: 'done' });
  assert.equal(other.heard[0]?.body, 'größer');
  assert.equal(other.heard[0]?.headers.title, 'x');
  assert.equal(other.heard[0]?.headers.authorization, undefined);
  // Another port of the same host is another origin, and another name of the same address too.
  assert.ok(!JSON.stringify(other.heard).includes('token'));
});

test('a redirect to what is no http address is an error', async (t) => {
  for (const location of ['ftp://127.0.0.1/x', 'file:///etc/passwd', 'http://['])
    await assert.rejects(
      service(t, (_heard, response) => response.writeHead(302, { location }).end()).then(({ origin }) =>
        post(told(origin), plain(t)),
      ),
      /it redirects to /,
      location,
    );
  const { origin } = await service(t, (_heard, response) => response.writeHead(302).end('no location'));
  assert.deepEqual(await post(told(origin), plain(t)), { status: 302, body: 'no location' });
});

test('an answer is read up to 64 KiB, and nothing stays open', async (t) => {
  const { origin, connections } = await service(t, (_heard, response) => {
    response.on('error', () => undefined);
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
    };
    response.on('drain', more);
    more();
  });
  const { body } = await post(told(origin), plain(t));
  assert.equal(body.length, 64 * 1024);
  await untilNone(connections);
});

test('a service that answers before it has read all is heard', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write('HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const answer = await post(told(`http://127.0.0.1:${port}`, { body: 'x'.repeat(8_000_000) }), plain(t));
  assert.deepEqual(answer, { status: 413, body: 'no' });
});

test('TLS is trusted only if the system trusts who signed it', { skip: noOpenssl }, async (t) => {
  const tls = await certificate(t);
  const { origin, heard, connections } = await service(t, undefined, tls);
  await assert.rejects(post(told(origin), plain(t)), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  assert.deepEqual(heard, []);
  const { status } = await post(told(origin), { ...plain(t), ca: tls.cert });
  assert.equal(status, 200);
  const wrongName = origin.replace('127.0.0.1', 'localhost');
  await assert.rejects(post(told(wrongName), { ...plain(t), ca: tls.cert }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  await untilNone(connections);
});

test('from https to http nothing is sent', { skip: noOpenssl }, async (t) => {
  const tls = await certificate(t);
  const plainService = await service(t);
  const { origin } = await service(
    t,
    (_heard, response) => response.writeHead(307, { location: plainService.origin }).end(),
    tls,
  );
  await assert.rejects(
    post(told(origin), { ...plain(t), ca: tls.cert }),
    /it redirects to http:.*, which is not encrypted/,
  );
  assert.deepEqual(plainService.heard, []);
});

async function untilNone(connections: () => Promise<number>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await connections()) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail('a connection stays open');
}
