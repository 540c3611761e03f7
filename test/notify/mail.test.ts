import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHeader } from '../../src/notify/encoded-word.js';
import { encodeMail, type Mail, recipientsOf } from '../../src/notify/mail.js';
import { oneLine } from '../../src/notify/message.js';
import { encodeQuotedPrintable } from '../../src/notify/quoted-printable.js';

const MAIL: Mail = {
  to: ['root', 'admin@example.com'],
  title: '[lifeboat] pve1: boot disk saved',
  body: 'saved\n',
  host: 'pve1',
  date: new Date('2026-01-02T03:04:05Z'),
  id: '0b5a4e1e-0000-4000-8000-000000000000',
};

test('a plain mail is as sendmail reads it', () => {
  assert.equal(
    encodeMail(MAIL),
    `To: root, admin@example.com
Subject: [lifeboat] pve1: boot disk saved
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <0b5a4e1e-0000-4000-8000-000000000000@pve1>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 7bit

saved
`,
  );
});

test('what is not ASCII, or a line that is too long, is quoted-printable', () => {
  const mail = encodeMail({ ...MAIL, title: 'größer', body: `Platte größer = ${'x'.repeat(2000)} \n.\n` });
  assert.match(mail, /^[\t\n\x20-\x7e]*$/);
  assert.match(mail, /\nSubject: =\?UTF-8\?B\?Z3LDtsOfZXI=\?=\n/);
  assert.match(mail, /\n\nPlatte gr=C3=B6=C3=9Fer =3D x+=\n/);
  assert.ok(mail.split('\n').every((line) => line.length <= 998));
  assert.match(encodeMail({ ...MAIL, body: 'x'.repeat(2000) }), /quoted-printable/);
});

test('a host whose name is none does not get into the Message-ID', () => {
  assert.match(encodeMail({ ...MAIL, host: 'a>\nBcc: x' }), /^Message-ID: <[0-9a-f-]+@localhost>$/m);
});

test('a recipient is a plain address or a local name', () => {
  assert.deepEqual(recipientsOf('root, admin@example.com'), ['root', 'admin@example.com']);
  for (const wrong of [
    '',
    'root,',
    '-oQ/tmp',
    '|/bin/sh',
    '/etc/passwd',
    ':include:/x',
    'a b',
    'a\nBcc: b',
    'ä@b',
    'A <a@b>',
  ])
    assert.throws(
      () => recipientsOf(wrong),
      { code: 'CONFIG', exitStatus: 78, message: /^Cannot send mail to "/ },
      wrong,
    );
});

test('encoded words come back as they were, in pieces of at most 75 characters', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }).map((text) => oneLine(text)),
      (text) => {
        for (const between of [' ', '\n '] as const) {
          const encoded = encodeHeader(text, between);
          assert.match(encoded, /^[\n\x20-\x7e]*$/);
          if (encoded === text) continue;
          for (const word of encoded.split(between)) assert.ok(word.length <= 75, word);
          assert.equal(decodeWords(encoded), text);
        }
      },
    ),
  );
  assert.equal(decodeWords(encodeHeader('=?UTF-8?B?eA==?=', ' ')), '=?UTF-8?B?eA==?=');
});

test('quoted-printable comes back as it was, in lines of at most 76 characters', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[ \t=.\nx]{0,200}$/),
    fc.constant('ü'.repeat(60)),
  );
  fc.assert(
    fc.property(text, (original) => {
      const wellFormed = Buffer.from(original).toString();
      const encoded = encodeQuotedPrintable(wellFormed);
      for (const line of encoded.split('\n')) {
        assert.ok(line.length <= 76, line);
        assert.match(line, /^[\t\x20-\x7e]*$/);
        assert.doesNotMatch(line, /[ \t]$/);
      }
      assert.equal(decodeQuotedPrintable(encoded), wellFormed);
    }),
  );
});

/** RFC 2047: white space between two encoded words is not part of the text. */
function decodeWords(value: string): string {
  const pieces = value.split(/\n? /).map((word) => /^=\?UTF-8\?B\?([A-Za-z0-9+/=]*)\?=$/.exec(word)?.[1]);
  return pieces.map((base64) => Buffer.from(base64 ?? 'undefined', 'base64').toString()).join('');
}

/** RFC 2045, 6.7 */
function decodeQuotedPrintable(value: string): string {
  const bytes = value
    .replaceAll('=\n', '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}
