import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const PROGRAM = '/usr/bin/chromium';

/** For `skip`. */
export const noChromium = existsSync(PROGRAM) ? false : 'chromium is not installed';

type Message = Record<string, unknown>;

/** Debian's Chromium, spoken to over two pipes (--remote-debugging-pipe), in a profile that is gone afterwards. */
export interface Browser {
  /** Sends a command of the DevTools protocol to the page. */
  send(method: string, params?: object): Promise<Message>;
  /** All events of the page so far with this name. */
  events(method: string): Message[];
  /** Waits for the next event of this name, 20 s at most. */
  next(method: string): Promise<Message>;
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

const LIMIT_MS = 20_000;

export async function openBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'lifeboat-chromium-'));
  const child = spawn(
    PROGRAM,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--no-first-run',
      '--hide-scrollbars',
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const toBrowser = child.stdio[3] as Writable;
  const fromBrowser = child.stdio[4] as Readable;
  const waiting = new Map<number, { resolve(result: Message): void; reject(error: Error): void }>();
  const listening: { method: string; resolve(params: Message): void }[] = [];
  const seen: { method: string; params: Message }[] = [];
  let lastId = 0;
  let session: string | undefined;
  let rest = '';

  toBrowser.on('error', () => undefined);
  fromBrowser.setEncoding('utf8');
  fromBrowser.on('data', (text: string) => {
    const parts = (rest + text).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) receive(JSON.parse(part) as Message);
  });

  function receive({ id, error, result, method, params = {} }: Message): void {
    if (typeof id === 'number') {
      const one = waiting.get(id);
      waiting.delete(id);
      if (error !== undefined) one?.reject(new Error(JSON.stringify(error)));
      else one?.resolve(result as Message);
      return;
    }
    const event = { method: String(method), params: params as Message };
    seen.push(event);
    for (const [at, one] of [...listening.entries()].reverse())
      if (one.method === event.method) {
        listening.splice(at, 1);
        one.resolve(event.params);
      }
  }

  function send(method: string, params: object = {}): Promise<Message> {
    const id = ++lastId;
    const answer = new Promise<Message>((resolve, reject) => waiting.set(id, { resolve, reject }));
    toBrowser.write(`${JSON.stringify({ id, method, params, ...(session ? { sessionId: session } : {}) })}\0`);
    return limited(method, answer);
  }

  async function close(): Promise<void> {
    session = undefined;
    // Asked to, it waits for its helpers, which write to the profile.
    await send('Browser.close').catch(() => undefined);
    await limited('end of chromium', ended).catch(() => child.kill('SIGKILL'));
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  try {
    const { targetInfos } = (await send('Target.getTargets')) as { targetInfos: { type: string; targetId: string }[] };
    const targetId = targetInfos.find(({ type }) => type === 'page')?.targetId;
    const attached = await send('Target.attachToTarget', { targetId, flatten: true });
    session = String(attached.sessionId);
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await send(`${domain}.enable`);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    send,
    events: (method) => seen.filter((event) => event.method === method).map(({ params }) => params),
    next: (method) => limited(method, new Promise((resolve) => listening.push({ method, resolve }))),
    async evaluate(expression) {
      const { result } = await send('Runtime.evaluate', { expression, returnByValue: true });
      return (result as { value: unknown }).value;
    },
    close,
  };
}

async function limited<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
