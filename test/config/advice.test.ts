import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { adviceOn } from '../../src/config/advice.js';
import { CONFIG } from '../../src/config/schema.js';
import { directory } from './config-file.js';

test('a configuration that will do gets no advice', (t) => {
  const base = directory(t);
  writeFileSync(join(base, 'token'), 's3cret', { mode: 0o600 });
  mkdirSync(join(base, 'hooks.d'));
  writeFileSync(join(base, 'hooks.d', '10-mine'), '#!/bin/sh\n', { mode: 0o755 });
  const config = CONFIG.parse({
    boot: { to: '/mnt' },
    notify: [
      { type: 'gotify', url: 'https://g', 'token-file': join(base, 'token') },
      { type: 'healthchecks', 'url-file': 'a-credential' },
    ],
  });
  assert.deepEqual(adviceOn(config, join(base, 'config.toml')), []);
});

test('says where nothing can be saved, told or run, and what to do', (t) => {
  const base = directory(t);
  const secret = join(base, 'open');
  writeFileSync(secret, 's3cret', { mode: 0o644 });
  const hooks = join(base, 'hooks.d');
  mkdirSync(hooks);
  writeFileSync(join(hooks, '10-not-executable'), '', { mode: 0o644 });
  writeFileSync(join(hooks, '20-open'), '');
  chmodSync(join(hooks, '20-open'), 0o777);
  symlinkSync(join(base, 'gone'), join(hooks, '30-gone'));
  mkdirSync(join(hooks, 'directory'));
  const config = CONFIG.parse({
    notify: [
      { type: 'ntfy', url: 'https://n/t', 'token-file': join(base, 'none') },
      { type: 'ntfy', url: 'https://n/t', 'token-file': secret },
      { type: 'ntfy', url: 'https://n/t', 'token-file': hooks },
    ],
  });
  const told = adviceOn(config, join(base, 'config.toml'));
  const expected = [
    /^boot\.to is not set: /,
    /^notify\[0\]\.token-file: there is no ".*none"$/,
    /^notify\[1\]\.token-file: others may read ".*open": chmod 600 /,
    /^notify\[2\]\.token-file: ".*hooks\.d" is no regular file$/,
    /^hook ".*10-not-executable" is not executable: chmod 755 /,
    /^Cannot trust ".*20-open": others than its owner can write to it.*chmod go-w/,
    /^hook ".*30-gone" leads nowhere$/,
  ];
  assert.equal(told.length, expected.length, told.join('\n'));
  for (const [index, words] of expected.entries()) assert.match(told[index] ?? '', words);
  assert.ok(!told.join().includes('s3cret'));

  chmodSync(hooks, 0o777);
  assert.match(adviceOn(config, join(base, 'config.toml')).at(-1) ?? '', /^Cannot trust ".*hooks\.d": others/);
});
