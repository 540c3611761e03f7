import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';

export interface HttpPost {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Goes to the origin of `url` only, wherever that redirects to. */
  secretHeaders: Readonly<Record<string, string>>;
  body: string;
}

export interface HttpAnswer {
  status: number;
  /** At most the first 64 KiB. */
  body: string;
}

export interface PostOptions {
  signal: AbortSignal;
  /** Certificates (PEM) of who is trusted, instead of Node's own list. */
  ca: string | undefined;
}

const MOST_ANSWER_BYTES = 64 * 1024;
const MOST_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];
const SEE_OTHER = 303;

/**
 * One request with what it is redirected to. By node:http rather than fetch: half the time to load, and no socket is kept
 * that would hold up the end of the process.
 * @throws what Node throws, an Error in words about a redirect, or AbortError; these may contain the address
 */
export async function post(request: HttpPost, options: PostOptions): Promise<HttpAnswer> {
  let url = request.url;
  let method: 'POST' | 'GET' = 'POST';
  for (let redirects = 0; ; redirects++) {
    const { location, ...answer } = await exchange(url, method, request, options);
    if (!REDIRECTS.includes(answer.status) || location === undefined) return answer;
    if (redirects === MOST_REDIRECTS) throw new Error(`it redirects more than ${MOST_REDIRECTS} times`);
    url = follow(location, url);
    // Browsers make a GET of 301 and 302 as well; the message would be lost without a word.
    if (answer.status === SEE_OTHER) method = 'GET';
  }
}

function follow(location: string, from: URL): URL {
  let url: URL;
  try {
    url = new URL(location, from);
  } catch (error) {
    throw new Error('it redirects to what is no address', { cause: error });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(`it redirects to ${url.protocol}`);
  if (from.protocol === 'https:' && url.protocol === 'http:')
    throw new Error(`it redirects to ${url.origin}, which is not encrypted`);
  return url;
}

async function exchange(
  url: URL,
  method: 'POST' | 'GET',
  { url: first, headers, secretHeaders, body }: HttpPost,
  { signal, ca }: PostOptions,
): Promise<HttpAnswer & { location: string | undefined }> {
  // On first use only: TLS takes 4 ms to load.
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const isSending = method === 'POST';
  const requestOptions: RequestOptions = {
    method,
    agent: false,
    signal,
    headers: {
      ...headers,
      ...(url.origin === first.origin ? secretHeaders : {}),
      ...(isSending ? { 'Content-Length': Buffer.byteLength(body) } : {}),
    },
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(url, requestOptions, (response) => {
      readBody(response, (error, text) => {
        if (error !== undefined) reject(error);
        else resolve({ status: response.statusCode ?? 0, body: text, location: response.headers.location });
        // An answer may come before all is sent; nothing of this is to stay.
        sent.destroy();
      });
    });
    sent.on('error', reject);
    sent.end(isSending ? body : undefined);
  });
}

function readBody(response: IncomingMessage, done: (error: Error | undefined, text: string) => void): void {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  const finish = () => done(undefined, Buffer.concat(chunks).subarray(0, MOST_ANSWER_BYTES).toString());
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    lengthBytes += chunk.length;
    if (lengthBytes >= MOST_ANSWER_BYTES) finish();
  });
  response.on('end', finish);
  response.on('error', (error) => done(error, ''));
}
