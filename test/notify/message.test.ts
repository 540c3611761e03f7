import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bodyOf, titleOf } from '../../src/notify/message.js';
import { event } from './service.js';

test('the title says host, outcome, exit status and why', () => {
  assert.equal(titleOf(event()), '[lifeboat] pve1: boot disk FAILED (exit 14): no space');
  assert.equal(
    titleOf({ event: 'failure', host: 'a', title: 'boot disk', text: '' }),
    '[lifeboat] a: boot disk FAILED',
  );
  assert.equal(titleOf(event({ event: 'success', title: 'boot disk saved' })), '[lifeboat] pve1: boot disk saved');
  assert.equal(
    titleOf(event({ event: 'warning', title: 'boot disk saved with 2 warnings' })),
    '[lifeboat] pve1: boot disk saved with 2 warnings',
  );
});

test('the body is the text, the set and the end of the log', () => {
  assert.equal(
    bodyOf(event({ text: 'saved\n', set: '/mnt/nas/pve1/x', logTail: ['one', '  two'] }), 1000),
    'saved\n\nSet: /mnt/nas/pve1/x\n\nThe end of the log:\none\n  two\n',
  );
  assert.equal(bodyOf(event({ text: 'saved' }), 1000), 'saved\n');
});

test('a log that is too long loses its older lines, never its last', () => {
  const logTail = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
  const body = bodyOf(event({ logTail }), 500);
  assert.ok(Buffer.byteLength(body) <= 500 && Buffer.byteLength(body) > 480, body);
  assert.match(body, /^no space\nmore words\n\nThe end of the log:\nline 9\d\d\n/);
  assert.match(body, /line 999\n$/);
});

test('colours and control characters of a log are not passed on', () => {
  const body = bodyOf(event({ text: 'a\u0007b\r\nc', logTail: ['\u001b[1;31mred\u001b[0m\ttab\r', 'x\ny'] }), 1000);
  assert.equal(body, 'a b\nc\n\nThe end of the log:\nred tab\nx y\n');
});

test('whatever is told, the title is one line and the body keeps its limit in whole characters', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, text, fc.array(text), fc.nat(300), (host, title, words, logTail, limit) => {
      const told = event({ host, title, text: words, logTail });
      assert.doesNotMatch(titleOf(told), /[\p{Cc}\p{Zl}\p{Zp}]/u);
      assert.ok([...titleOf(told)].length <= 200);
      const body = bodyOf(told, limit);
      assert.ok(Buffer.byteLength(body) <= limit);
      assert.equal(Buffer.from(body).toString().includes('\ufffd'), body.includes('\ufffd'));
      assert.doesNotMatch(body, /(?![\n\t])\p{Cc}/u);
    }),
  );
});
