import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../src/config/read-config.js';
import { CONFIG } from '../../src/config/schema.js';
import { schemaTables } from '../../src/config/schema-tables.js';
import { configInToml, shownKeys } from '../../src/config/show-config.js';

const TEXT = `
[boot]
to = "/mnt/nas"
exclude = ["pve/a", "pve/b"]
`;

function shown(text: string): string {
  const { config, lines } = parseConfig(text);
  assert.ok(config !== undefined);
  return configInToml(config, lines, '/etc/lifeboat/config.toml');
}

describe('the configuration that is shown', () => {
  test('tells of each key whether it is the default, or the line that sets it', () => {
    const text = shown(`${TEXT}[[notify]]\ntype = "mail"\non = ["failure"]\n`);
    for (const line of [
      /^to = "\/mnt\/nas" +# \/etc\/lifeboat\/config\.toml:3$/m,
      /^exclude = \[ "pve\/a", "pve\/b" \] +# \/etc\/lifeboat\/config\.toml:4$/m,
      /^bwlimit = 0 +# default$/m,
      /^# disk +# not set$/m,
      /^on = \[ "failure" \] +# \/etc\/lifeboat\/config\.toml:7$/m,
      /^to = "root" +# default$/m,
    ])
      assert.match(text, line);
    for (const { name, keys } of schemaTables().filter(({ isArray }) => !isArray))
      for (const key of keys) assert.match(text, new RegExp(`^(# )?${key.name}\\b`, 'm'), `${name}.${key.name}`);
  });

  test('means the same when it is read again', () => {
    for (const text of [
      '',
      TEXT,
      'notify = []',
      '[[notify]]\ntype = "mail"\n[[notify]]\ntype = "gotify"\nurl = "https://g/"\ntoken-file = "/t"\n',
      '[boot]\nrequire-mount = "/mnt/\\"nas"\n[[notify]]\ntype = "healthchecks"\nurl-file = "credential"\n',
    ])
      assert.deepEqual(parseConfig(shown(text)).config, parseConfig(text).config, text);
  });

  test('shows no address that is a secret', () => {
    const config = CONFIG.parse({
      notify: [
        { type: 'ntfy', url: 'https://ntfy.sh/s3cret' },
        { type: 'webhook', url: 'https://me:s3cret@example.org:8443/?t=s3cret#s3cret' },
        { type: 'healthchecks', url: 'https://hc-ping.com/s3cret' },
      ],
    });
    const text = configInToml(config, undefined, '/c');
    assert.doesNotMatch(text + JSON.stringify(shownKeys(config, undefined)), /s3cret/);
    assert.match(text, /^url = "https:\/\/example\.org:8443\/\.\.\."/m);
  });
});
