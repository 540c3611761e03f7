import { VERSION } from '../version.js';
import { encodeHeader } from './encoded-word.js';
import type { HttpPost } from './http-post.js';
import { bodyOf, lastLines, titleOf } from './message.js';
import type { RunEvent } from './run-event.js';
import type { HttpTarget } from './target.js';

/** What a service needs to know beside the event. */
export interface RequestFacts {
  url: URL;
  token: string | undefined;
  /** A UUID that start and end of a run have in common. */
  runId: string | undefined;
  time: Date;
}

/** healthchecks.io keeps the first 100,000 bytes; a webhook should not get more either. */
const MOST_LOG_BYTES = 100_000;
/** A longer one becomes an attachment, or is refused. */
const MOST_NTFY_BYTES = 4096;
const MOST_GOTIFY_BYTES = 16 * 1024;

const NTFY_LOOKS = {
  start: { priority: '2', tags: 'hourglass' },
  success: { priority: '3', tags: 'white_check_mark' },
  warning: { priority: '4', tags: 'warning' },
  failure: { priority: '5', tags: 'rotating_light' },
} as const;
/** gotify: 1 to 3 makes no sound, 4 to 7 does, more also vibrates. */
const GOTIFY_PRIORITIES = { start: 1, success: 3, warning: 5, failure: 8 } as const;

const AGENT = { 'User-Agent': `lifeboat/${VERSION}` };
const JSON_TYPE = { ...AGENT, 'Content-Type': 'application/json' };
const TEXT_TYPE = { ...AGENT, 'Content-Type': 'text/plain; charset=utf-8' };

/** The request that tells a service of an event. */
export function requestFor(type: HttpTarget['type'], event: RunEvent, facts: RequestFacts): HttpPost {
  return REQUESTS[type](event, facts);
}

const REQUESTS = { webhook, ntfy, gotify, healthchecks } as const;

function webhook(event: RunEvent, { url, token, time }: RequestFacts): HttpPost {
  const { logTail = [], ...rest } = event;
  const content = {
    ...rest,
    summary: titleOf(event),
    logTail: lastLines(logTail, MOST_LOG_BYTES),
    time: time.toISOString(),
    version: VERSION,
  };
  return { url, headers: JSON_TYPE, secretHeaders: bearer(token), body: JSON.stringify(content) };
}

function ntfy(event: RunEvent, { url, token }: RequestFacts): HttpPost {
  const { priority, tags } = NTFY_LOOKS[event.event];
  const headers = { ...TEXT_TYPE, Title: encodeHeader(titleOf(event), ' '), Priority: priority, Tags: tags };
  return { url, headers, secretHeaders: bearer(token), body: bodyOf(event, MOST_NTFY_BYTES) };
}

function gotify(event: RunEvent, { url, token }: RequestFacts): HttpPost {
  const content = {
    title: titleOf(event),
    message: bodyOf(event, MOST_GOTIFY_BYTES),
    priority: GOTIFY_PRIORITIES[event.event],
  };
  return {
    url: under(url, 'message'),
    headers: JSON_TYPE,
    secretHeaders: token === undefined ? {} : { 'X-Gotify-Key': token },
    body: JSON.stringify(content),
  };
}

function healthchecks(event: RunEvent, { url, runId }: RequestFacts): HttpPost {
  const step = healthchecksStep(event);
  const pinged = step === undefined ? new URL(url) : under(url, step);
  if (runId !== undefined) pinged.searchParams.set('rid', runId);
  return { url: pinged, headers: TEXT_TYPE, secretHeaders: {}, body: bodyOf(event, MOST_LOG_BYTES) };
}

function healthchecksStep({ event, exitStatus = 0 }: RunEvent): string | undefined {
  if (event === 'start') return 'start';
  if (event !== 'failure') return undefined;
  // 0 would be a success.
  return exitStatus >= 1 && exitStatus <= 255 ? String(exitStatus) : 'fail';
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

function under(url: URL, name: string): URL {
  const below = new URL(url);
  below.pathname = `${url.pathname.replace(/\/+$/, '')}/${name}`;
  return below;
}
