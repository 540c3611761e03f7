import { LifeboatError } from '../error.js';
import { encodeHeader } from './encoded-word.js';
import { encodeQuotedPrintable } from './quoted-printable.js';

export interface Mail {
  to: readonly string[];
  /** One line. */
  title: string;
  body: string;
  host: string;
  date: Date;
  /** Unique, of letters, digits and dashes. */
  id: string;
}

/** Of the line's end too (RFC 5322, 2.1.1: 998 without). */
const LONGEST_PLAIN_LINE = 990;
/** What a mail server does with `|program`, `/file` and `:include:` is nothing that a notification asks for. */
const ADDRESS = /^(?![-|/:])[\x21-\x7e]+$/;
const NOT_IN_ADDRESS = /[<>()[\]\\,;"]/;

/**
 * "root, admin@example.com" as a list.
 * @throws LifeboatError CONFIG where one is no plain address
 */
export function recipientsOf(to: string): string[] {
  const recipients = to.split(',').map((one) => one.trim());
  const wrong = recipients.find((one) => !ADDRESS.test(one) || NOT_IN_ADDRESS.test(one));
  if (wrong === undefined) return recipients;
  throw new LifeboatError('CONFIG', `Cannot send mail to ${JSON.stringify(wrong)}: it is no plain address`, {
    hint: 'to = "root" or to = "root, admin@example.com"',
  });
}

/** As `sendmail` reads it, which adds From: lines end in `\n`, all is ASCII. */
export function encodeMail({ to, title, body, host, date, id }: Mail): string {
  const isPlain =
    /^[\t\n\x20-\x7e]*$/.test(body) && body.split('\n').every((line) => line.length <= LONGEST_PLAIN_LINE);
  const text = body.endsWith('\n') ? body : `${body}\n`;
  const headers = [
    `To: ${to.join(', ')}`,
    `Subject: ${encodeHeader(title, '\n ')}`,
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}@${/^[A-Za-z0-9.-]+$/.test(host) ? host : 'localhost'}>`,
    // No out-of-office reply answers to this (RFC 3834).
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=UTF-8',
    `Content-Transfer-Encoding: ${isPlain ? '7bit' : 'quoted-printable'}`,
  ];
  return `${headers.join('\n')}\n\n${isPlain ? text : encodeQuotedPrintable(text)}`;
}
