import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse, TomlError } from 'smol-toml';
import { parseConfig, readConfig } from '../../src/config/read-config.js';
import { configFile, directory } from './config-file.js';

function problems(text: string): string[] {
  return parseConfig(text).problems.map(({ line, message }) => `${line}: ${message}`);
}

describe('readConfig', () => {
  test('no file: everything is as by default, and nobody is notified', (t) => {
    const path = join(directory(t), 'nowhere', 'config.toml');
    const { config, exists, path: asked } = readConfig(path);
    assert.deepEqual([exists, asked], [false, path]);
    assert.equal(config.boot.to, undefined);
    assert.equal(config.boot.lockwait, 180);
    assert.equal(config.history.directory, '/var/lib/lifeboat');
    assert.deepEqual(config.notify, []);
  });

  test('an empty file: the same, but warnings and failures are mailed to root', (t) => {
    const { config, exists } = readConfig(configFile(t, ''));
    assert.equal(exists, true);
    assert.deepEqual(config.notify, [{ type: 'mail', on: ['warning', 'failure'], to: 'root' }]);
  });

  test('LIFEBOAT_CONFIG names another file', (t) => {
    const before = process.env.LIFEBOAT_CONFIG;
    t.after(() => {
      if (before === undefined) delete process.env.LIFEBOAT_CONFIG;
      else process.env.LIFEBOAT_CONFIG = before;
    });
    const path = configFile(t, '[boot]\nto = "/mnt/nas"\n');
    process.env.LIFEBOAT_CONFIG = path;
    assert.deepEqual([readConfig().path, readConfig().config.boot.to], [path, '/mnt/nas']);
    process.env.LIFEBOAT_CONFIG = '';
    assert.equal(readConfig(path).path, path);
  });

  test('what is set is set, the rest is as by default', (t) => {
    const path = configFile(
      t,
      '[boot]\nbwlimit = 5000\nrequire-mount = "/mnt/nas"\nprune-backups = "keep-last=3"\n' +
        '[[notify]]\ntype = "ntfy"\nurl = "https://ntfy.sh/x"\non = ["failure"]\n',
    );
    const { config } = readConfig(path);
    assert.equal(config.boot.bwlimit, 5000);
    assert.equal(config.boot['require-mount'], '/mnt/nas');
    assert.equal(config.boot.verify, true);
    assert.equal(config.hook['image-every'], '20h');
    assert.deepEqual(config.notify, [{ type: 'ntfy', url: 'https://ntfy.sh/x', on: ['failure'] }]);
  });

  test('all that is wrong is told at once, by file, line and key', (t) => {
    const path = configFile(t, '[boot]\nbwlimit = "fast"\n\nionice = 9\n[hook]\non-failure = "ignore"\n');
    assert.throws(() => readConfig(path), {
      code: 'CONFIG',
      exitStatus: 78,
      message: [
        `${path}:2: boot.bwlimit takes a whole number, not "fast"`,
        `${path}:4: boot.ionice takes 8 at the most, not 9`,
        `${path}:6: hook.on-failure takes "warn" or "fail", not "ignore"`,
      ].join('\n'),
    });
  });

  test('what is no text is refused', (t) => {
    assert.throws(() => readConfig(configFile(t, Buffer.from('a = "\xe4"', 'latin1'))), {
      code: 'CONFIG',
      message: /it is not UTF-8$/,
    });
    const large = configFile(t, '');
    writeFileSync(large, `#${'x'.repeat(300_000)}`);
    assert.throws(() => readConfig(large), { code: 'CONFIG', message: /it is larger than/ });
  });
});

describe('parseConfig', () => {
  const NTFY = '[[notify]]\ntype = "ntfy"\n';
  const cases: [text: string, told: (string | RegExp)[]][] = [
    // Types
    ['[boot]\nverify = 1', ['2: boot.verify takes true or false, not 1']],
    ['[boot]\nthreads = 1.5', ['2: boot.threads takes a whole number, not 1.5']],
    ['[boot]\nthreads = 1e300', ['2: boot.threads takes 9007199254740991 at the most, not 1e+300']],
    ['[boot]\nbwlimit = -1', ['2: boot.bwlimit takes 0 or more, not -1']],
    ['[boot]\nbwlimit = 1979-05-27', ['2: boot.bwlimit takes a whole number']],
    ['[boot]\nexclude = "pve/x"', ['2: boot.exclude takes a list in square brackets, not "pve/x"']],
    ['[boot]\nexclude = [\n  "pve/x",\n  3,\n]', ['4: boot.exclude[1] takes a text in quotation marks, not 3']],
    ['[boot]\nexclude = ["scratch"]', ['2: boot.exclude[0] takes volumes as "VG/LV", not "scratch"']],
    ['boot = 3', ['1: boot takes a table, not 3']],
    ['[[boot]]\nto = "/a"', ['1: boot takes a table']],
    ['[boot]\nlockwait.minutes = 3', ['2: boot.lockwait takes a whole number']],
    // Words
    ['[boot]\nto = "mnt/nas"', ['2: boot.to takes an absolute path, not "mnt/nas"']],
    ['[boot]\ncompress = "zst"', ['2: boot.compress takes "auto", "pigz", "gzip", "zstd", "lz4" or "xz", not "zst"']],
    [
      '[boot]\nrequire-mount = 3',
      ['2: boot.require-mount takes true, false or the absolute path of a mount point, not 3'],
    ],
    ['[boot]\nprune-backups = "keep-lost=3"', [/^2: boot\.prune-backups takes keep-all=1, .*, not "keep-lost=3"$/]],
    [
      '[boot]\nprune-backups = "keep-all=1,keep-last=3"',
      ['2: boot.prune-backups cannot have keep-all together with other options'],
    ],
    [
      '[hook]\nimage-every = "1 day"',
      ['2: hook.image-every takes a number and m, h, d or w, as in "20h", not "1 day"'],
    ],
    [
      '[boot]\nto = "x"\n[history]\ndirectory = ""',
      ['2: boot.to takes an absolute path, not "x"', '4: history.directory takes an absolute path, not ""'],
    ],
    // Keys
    ['[boot]\nbwlmit = 3', ['2: boot has no "bwlmit": did you mean "bwlimit"?']],
    ['bwlimit = 3', ['1: there is no key or table "bwlimit": it belongs in [boot]']],
    ['[hook]\nlockwait = 3', ['2: hook has no "lockwait": it belongs in [boot]']],
    ['type = "mail"', ['1: there is no key or table "type": it belongs in [[notify]]']],
    ['[backup]', ['1: there is no key or table "backup"; it knows boot, hook, history, alerts, notify']],
    ['[history]\nretention = 3', ['2: history has no "retention"; it knows directory']],
    [
      'boot.x = 1\nboot."y z" = 2',
      [/^1: boot has no "x"; it knows to, require-mount, disk, /, /^2: boot has no "y z"; it knows /],
    ],
    ['__proto__ = 3', [/^1: there is no key or table "__proto__"; it knows/]],
    // Notifications
    ['[[notify]]\n', ['1: notify[0].type is missing: it takes "mail", "webhook", "ntfy", "gotify" or "healthchecks"']],
    [
      '[[notify]]\ntype = "email"',
      ['2: notify[0].type takes "mail", "webhook", "ntfy", "gotify" or "healthchecks", not "email"'],
    ],
    ['[notify]\ntype = "mail"', ['1: notify takes a list in square brackets']],
    [NTFY, ['1: notify[0].url is missing: it takes a text in quotation marks']],
    [
      `${NTFY}url = "https://a/b"\ntoken = "s3cret"`,
      ['4: notify[0] has no "token"; it knows type, on, url, token-file'],
    ],
    [
      `${NTFY}url = "https://a/b"\n${NTFY}url = "https://a/b"\non = ["succes"]`,
      ['7: notify[1].on[0] takes "success", "warning" or "failure", not "succes"'],
    ],
    ['[[notify]]\ntype = "healthchecks"', ['1: notify[0] takes either url or url-file']],
    [
      '[[notify]]\ntype = "healthchecks"\nurl = "https://a/b"\nurl-file = "/c"',
      ['1: notify[0] takes either url or url-file'],
    ],
    ['[[notify]]\ntype = "mail"\nto = 3', ['3: notify[0].to takes a text in quotation marks, not 3']],
    // TOML
    ['[boot]\nto = /mnt/nas', [/^2: no TOML from column 6 on: \w/]],
    ['[boot]\nto = "/a"\nto = "/b"', [/^3: no TOML from column 1 on: \w/]],
    ['[boot]\n[boot]', [/^2: no TOML from column 2 on: \w/]],
    ['[boot\n', [/^1: no TOML from column /]],
  ];
  for (const [text, told] of cases) {
    test(`tells what is wrong in ${JSON.stringify(text)}`, () => {
      const found = problems(text);
      assert.equal(found.length, told.length, found.join('\n'));
      for (const [index, words] of told.entries()) {
        const message = found[index] ?? '';
        if (typeof words === 'string') assert.equal(message, words);
        else assert.match(message, words);
      }
    });
  }

  test('no secret is quoted: neither an address, nor a wrong key, nor a broken line', () => {
    for (const text of [
      `${NTFY}url = "s3cret"`,
      `${NTFY}url = "ftp://s3cret@x/y"`,
      `${NTFY}url = ["https://x/s3cret"]`,
      `${NTFY}url = "https://a/b"\ntoken = "s3cret"`,
      `${NTFY}url = "https://a/b"\ntoken-file = "s3cret/x/"`,
      `${NTFY}url = "https://a/s3cret`,
      `${NTFY}url = "https://a/s3cret" x`,
      `${NTFY}url = https://a/s3cret`,
      '[[notify]]\ntype = { url = "s3cret" }',
    ]) {
      const found = problems(text);
      assert.ok(found.length > 0, text);
      assert.ok(!found.join().includes('s3cret'), found.join());
    }
  });

  test('whatever TOML is read, each problem has a line of the file, and nothing is thrown', () => {
    const key = fc.constantFrom(
      'boot',
      'hook',
      'notify',
      'history',
      'to',
      'on',
      'type',
      'url',
      'level',
      'x',
      '"y z"',
      'boot.to',
    );
    const value = fc.constantFrom(
      '1',
      '-1',
      '"a"',
      '"mail"',
      '"/a"',
      'true',
      '[]',
      '[1]',
      '{}',
      '{ to = 1 }',
      '1.5',
      '07:32:00',
      '"',
    );
    const line = fc.oneof(
      fc.tuple(key, value).map(([name, text]) => `${name} = ${text}`),
      key.map((name) => `[${name}]`),
      key.map((name) => `[[${name}]]`),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (all) => {
        const text = all.join('\n');
        const { config, problems: found } = parseConfig(text);
        assert.equal(config === undefined, found.length > 0);
        for (const { line: at, message } of found) {
          assert.ok(at >= 1 && at <= all.length + 1, `${at} in ${text}`);
          assert.doesNotMatch(message, /undefined|NaN|\[object|Invalid input/);
        }
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof TomlError);
          assert.equal(found[0]?.line, error.line);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
