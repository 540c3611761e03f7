import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { temporary } from './release.js';
import { treeFacts } from './tree-facts.js';

const SCRIPTS = ['install.sh', 'scripts/release', 'bin/lifeboat', 'hooks/vzdump-hook'];
const MAINTAINER = 'scripts/releasing/debian';
const noShellcheck = existsSync('/usr/bin/shellcheck') ? false : 'shellcheck is not installed';

test('shellcheck finds nothing', { skip: noShellcheck }, async () => {
  const all = [...SCRIPTS, ...readdirSync(MAINTAINER).map((name) => join(MAINTAINER, name))];
  const sh = await execa('shellcheck', all, { reject: false, all: true });
  assert.equal(sh.exitCode, 0, sh.all);
  const bash = await execa('shellcheck', ['-s', 'bash', 'hooks/completion.bash'], { reject: false, all: true });
  assert.equal(bash.exitCode, 0, bash.all);
});

test('its last line, and no other, begins', () => {
  assert.deepEqual(readFileSync('install.sh', 'utf8').split('\n').slice(-2), ['main "$@"', '']);
});

test('a script that was cut off on its way does nothing', { timeout: 120_000 }, async (t) => {
  const text = readFileSync('install.sh');
  const base = temporary(t);
  const root = join(base, 'root');
  mkdirSync(root);
  const before = treeFacts(root);
  const last = text.lastIndexOf('main "$@"');
  const cuts = Array.from({ length: 40 }, (_, i) => Math.floor((last * i) / 40));
  // Just before it would begin, and in the midst of the words that begin it.
  for (let at = last - 3; at < last + 'main "$@'.length; at++) cuts.push(at);
  for (const shell of [['dash'], ['busybox', 'sh']]) {
    for (const at of cuts) {
      const script = join(base, 'cut.sh');
      writeFileSync(script, text.subarray(0, at));
      const [program = '', ...first] = [...shell, script];
      const ran = await execa(program, [...first, '--yes', '--root', root], {
        ...{ reject: false, stdin: 'ignore', all: true, cwd: base, env: { TMPDIR: base } },
      });
      assert.doesNotMatch(ran.all, /installed|copy the program/, `cut at ${at}`);
      assert.deepEqual(readdirSync(base).sort(), ['cut.sh', 'root'], `cut at ${at}`);
    }
  }
  assert.deepEqual(treeFacts(root), before);
});
