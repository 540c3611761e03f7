import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NotifyTarget, notify } from '../../src/notify/index.js';
import { directory, event } from './service.js';

const TO_ROOT: NotifyTarget = { type: 'mail', on: ['success', 'warning', 'failure'], to: 'root' };

function program(base: string, script: string): string {
  const path = join(base, 'sendmail');
  writeFileSync(path, `#!/bin/sh\ncd "${base}" || exit\n${script}\n`, { mode: 0o755 });
  return path;
}

test('sendmail gets the recipients as arguments and the mail on its input', async (t) => {
  const base = directory(t);
  const sendmailPath = program(base, 'printf "%s|" "$@" >arguments; cat >mail');
  const told = event({ text: 'größer\n.\nafter the dot', logTail: ['last line'] });
  const to = 'root,admin@example.com';
  assert.deepEqual(await notify([{ ...TO_ROOT, to }], told, { sendmailPath }), []);
  assert.equal(readFileSync(join(base, 'arguments'), 'utf8'), '-oi|--|root|admin@example.com|');
  const mail = readFileSync(join(base, 'mail'), 'utf8');
  assert.match(mail, /^To: root, admin@example.com\nSubject: =\?UTF-8\?B\?/);
  assert.match(mail, /\n\ngr=C3=B6=C3=9Fer\n\.\nafter the dot\n\nThe end of the log:\nlast line\n$/);
});

test('no word of an event becomes a header', async (t) => {
  const base = directory(t);
  const sendmailPath = program(base, 'cat >mail');
  const evil = 'x\nBcc: evil@example.com\r\nTo: evil@example.com\u2028\u0085Cc: evil';
  await notify([TO_ROOT], event({ host: evil, title: evil, text: evil }), { sendmailPath });
  const [headers = ''] = readFileSync(join(base, 'mail'), 'utf8').split('\n\n', 1);
  const names = headers.split(/\n(?! )/).map((header) => header.split(':', 1)[0]);
  assert.deepEqual(names, [
    'To',
    'Subject',
    'Date',
    'Message-ID',
    'Auto-Submitted',
    'MIME-Version',
    'Content-Type',
    'Content-Transfer-Encoding',
  ]);
});

test('a host without sendmail is told what to install', async (t) => {
  const [failure, ...more] = await notify([TO_ROOT], event(), { sendmailPath: join(directory(t), 'sendmail') });
  assert.match(failure?.message ?? '', /^Cannot send mail to "root": there is no .*\/sendmail$/);
  assert.match(failure?.hint ?? '', /apt install postfix/);
  assert.deepEqual(more, []);
});

test('a sendmail that fails is told with its complaint', async (t) => {
  const sendmailPath = program(directory(t), 'cat >/dev/null; echo "postdrop: queue is full" >&2; exit 75');
  const [failure] = await notify([TO_ROOT], event(), { sendmailPath });
  assert.match(failure?.message ?? '', /sendmail -oi -- root" failed with status 75: postdrop: queue is full$/);
});

test('a sendmail that does not read is no crash', async (t) => {
  const base = directory(t);
  const told = event({ logTail: Array.from({ length: 5000 }, (_, i) => `line ${i}`) });
  assert.deepEqual(await notify([TO_ROOT], told, { sendmailPath: program(base, 'exit 0') }), []);
  const [failure] = await notify([TO_ROOT], told, { sendmailPath: program(base, 'exec 0<&-; exit 1') });
  assert.match(failure?.message ?? '', /failed with status 1$/);
});

for (const [what, hangs] of [
  ['hangs', 'exec sleep 60'],
  ['ignores SIGTERM', 'trap "" TERM; while :; do sleep 0.1; done'],
  ['has children that hang', 'sleep 60 & sleep 60 & wait'],
] as const)
  test(`a sendmail that ${what} is gone when its time is over, with all it started`, async (t) => {
    const base = directory(t);
    const sendmailPath = program(base, `echo $$ >pid; ${hangs}`);
    const since = performance.now();
    const failures = await notify([TO_ROOT], event(), { sendmailPath, timeoutMs: 500 });
    assert.ok(performance.now() - since < 6000, `${performance.now() - since} ms`);
    assert.deepEqual(failures, [
      { type: 'mail', message: 'Cannot notify by mail: no answer within 0.5 s', hint: undefined },
    ]);
    const pid = Number(readFileSync(join(base, 'pid'), 'utf8'));
    await goneGroup(pid);
    assert.equal(existsSync(`/proc/${pid}`), false, 'a zombie is left');
  });

test('a sendmail whose child has left the group and holds the pipes does not hold us', async (t) => {
  const base = directory(t);
  const sendmailPath = program(base, 'setsid sleep 8 & sleep 60');
  const since = performance.now();
  const failures = await notify([TO_ROOT], event(), { sendmailPath, timeoutMs: 300 });
  assert.equal(failures.length, 1);
  assert.ok(performance.now() - since < 6000, `${performance.now() - since} ms`);
});

/** What is killed is gone a moment later; until init has reaped it, it is a zombie (Z). */
async function goneGroup(group: number): Promise<void> {
  const isLeft = () =>
    readdirSync('/proc').some((pid) => {
      const [, state, , pgrp] = /\) (\S+) (\d+) (\d+) /.exec(statOf(pid)) ?? [];
      return Number(pgrp) === group && state !== 'Z';
    });
  for (let tries = 0; tries < 50 && isLeft(); tries++) await sleep(20);
  assert.equal(isLeft(), false, `processes of group ${group} are left`);
}

function statOf(pid: string): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
  } catch {
    // It has ended meanwhile.
    return '';
  }
}
