import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { redact, secretsOf } from '../../src/notify/redact.js';

test('every part of an address and the token are taken out of what a server says', () => {
  const secrets = secretsOf(new URL('https://user:pa%20ss@x.example/ping/0a1b%2fc2d3?key=abcd&x=1'), 'to.k');
  assert.equal(redact('Cannot POST /ping/0a1b%2fc2d3?key=abcd&x=1', secrets), 'Cannot POST ***');
  assert.equal(redact('no 0A1B/C2D3 for pa ss, ABCD, to.k or took', secrets), 'no *** for ***, ***, *** or took');
});

test('words that are no secret stay as they are', () => {
  assert.equal(
    redact('service unavailable', secretsOf(new URL('https://x.example/'), undefined)),
    'service unavailable',
  );
  assert.equal(redact('api is down', secretsOf(new URL('https://x.example/api/v1'), undefined)), 'api is down');
});

test('no token survives, whatever stands around it', () => {
  const token = fc.stringMatching(/^[\x21-\x7e]{8,40}$/).filter((text) => !text.includes('*'));
  fc.assert(
    fc.property(token, fc.string(), fc.string(), fc.webUrl(), (secret, before, after, url) => {
      assert.ok(!redact(before + secret + after, secretsOf(new URL(url), secret)).includes(secret));
    }),
  );
});
