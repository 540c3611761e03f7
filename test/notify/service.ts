import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { execa, execaSync } from 'execa';
import type { RunEvent } from '../../src/notify/index.js';

export interface Heard {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Service {
  origin: string;
  heard: Heard[];
  /** Connections that are open now. */
  connections(): Promise<number>;
}

type Answer = (heard: Heard, response: ServerResponse, request: IncomingMessage) => void;

export const takesAll: Answer = (_heard, response) => void response.end('OK');

/** A service on a port of its own that remembers what it was told, gone after the test. */
export async function service(
  t: TestContext,
  answer: Answer = takesAll,
  tls?: { key: string; cert: string },
): Promise<Service> {
  const heard: Heard[] = [];
  const listen = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      heard.push(one);
      answer(one, response, request);
    });
  };
  const server = tls === undefined ? createServer(listen) : createTlsServer(tls, listen);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    heard,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
  };
}

/** For `skip`: why there can be no certificate, or false. */
export const noOpenssl = execaSync('openssl', ['version'], { reject: false }).failed
  ? 'openssl is not installed'
  : false;

/** For 127.0.0.1, signed by itself. */
export async function certificate(t: TestContext): Promise<{ key: string; cert: string; certPath: string }> {
  const base = directory(t);
  const [keyPath, certPath] = [join(base, 'key.pem'), join(base, 'cert.pem')];
  const subject = ['-subj', '/CN=lifeboat test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', keyPath, '-out', certPath];
  await execa('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files]);
  return { key: readFileSync(keyPath, 'utf8'), cert: readFileSync(certPath, 'utf8'), certPath };
}

/** A directory that is gone after the test. */
export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lifeboat-notify-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function event(over: Partial<RunEvent> = {}): RunEvent {
  return { event: 'failure', host: 'pve1', title: 'boot disk', text: 'no space\nmore words', exitStatus: 14, ...over };
}
