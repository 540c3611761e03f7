import { LifeboatError } from '../error.js';
import { post } from './http-post.js';
import { requestFor } from './http-request.js';
import { oneLine } from './message.js';
import { redact, secretsOf } from './redact.js';
import type { RunEvent } from './run-event.js';
import { readSecret } from './secret-file.js';
import type { HttpTarget } from './target.js';
import { readCertificates } from './trusted-certificates.js';

export interface SendHttpOptions {
  signal: AbortSignal;
  runId: string | undefined;
  /** PEM */
  certificatesPath: string;
  credentialsDirectory: string | undefined;
}

const LONGEST_COMPLAINT_CHARACTERS = 200;

/**
 * Tells a service of an event.
 * @throws LifeboatError with the service's origin and never its address, which is the secret of many, nor a token
 */
export async function sendHttp(target: HttpTarget, event: RunEvent, options: SendHttpOptions): Promise<void> {
  const { signal, runId, certificatesPath, credentialsDirectory } = options;
  const url = addressOf(target, credentialsDirectory);
  const tokenFile = 'token-file' in target ? target['token-file'] : undefined;
  const token = tokenFile === undefined ? undefined : readSecret(tokenFile, credentialsDirectory);
  const hidden = (words: string) => shorten(oneLine(redact(words, secretsOf(url, token))));
  try {
    const request = requestFor(target.type, event, { url, token, runId, time: new Date() });
    const ca = url.protocol === 'https:' ? await readCertificates(certificatesPath) : undefined;
    const { status, body } = await post(request, { signal, ca });
    const complaint = complaintOf(target.type, status, body);
    if (complaint !== undefined) throw new Error(complaint);
  } catch (error) {
    const why = signal.aborted ? wordsOf(signal.reason) : wordsOf(error);
    throw new LifeboatError('FAILED', `Cannot notify ${target.type} at "${url.origin}": ${hidden(why)}`);
  }
}

function addressOf(target: HttpTarget, credentialsDirectory: string | undefined): URL {
  const file = 'url-file' in target ? target['url-file'] : undefined;
  const text = file === undefined ? (target.url ?? '') : readSecret(file, credentialsDirectory);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  const where = file === undefined ? 'its url' : `"${file}"`;
  throw new LifeboatError('CONFIG', `Cannot notify ${target.type}: ${where} is no http or https address`, {
    hint: 'write the address as the service shows it, https://...',
  });
}

/** What the service does not like; undefined if it took the message. */
function complaintOf(type: HttpTarget['type'], status: number, body: string): string | undefined {
  const words = body.trim().split('\n', 1)[0] ?? '';
  // "OK (not found)", "OK (rate limited)": healthchecks.io does not want the job to fail for that.
  const isIgnored = type === 'healthchecks' && words.startsWith('OK (');
  if (status >= 200 && status < 300 && !isIgnored) return undefined;
  return words === '' || words.startsWith('<') ? `HTTP ${status}` : `HTTP ${status}: ${words}`;
}

/** Why it failed, as the system says it. An address with several machines behind it fails with a list of errors. */
function wordsOf(error: unknown): string {
  const one = error instanceof AggregateError ? error.errors[0] : error;
  return one instanceof Error ? one.message : String(one);
}

function shorten(line: string): string {
  return line.length <= LONGEST_COMPLAINT_CHARACTERS ? line : `${line.slice(0, LONGEST_COMPLAINT_CHARACTERS - 1)}…`;
}
