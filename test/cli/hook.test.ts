import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { makePrefix } from '../vzdump/prefix.js';
import { directory, ends, KIB, lifeboat, PROGRAM, STATUS } from './program.js';

const HOOK = resolve('hooks/vzdump-hook');
const NEVER = '[hook]\nimage-at = "never"';
const IDLE = ['backup-start', 'pre-stop', 'pre-restart', 'post-restart'];
const ALL = [...IDLE, 'job-init', 'job-start', 'job-end', 'job-abort', 'backup-end', 'backup-abort', 'log-end'];

/** With an environment as empty as vzdump's. */
async function call(file: string, args: string[], env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await execa(file, args, {
    reject: false,
    extendEnv: false,
    env: { LC_ALL: 'C', ...env },
    stdin: 'ignore',
    cwd: '/',
  });
  return { status: exitCode, stdout, stderr };
}

describe('lifeboat hook', { concurrency: 2 }, () => {
  test('takes every phase that vzdump has, in silence where nothing is to be said', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    for (const phase of ALL) {
      const args = phase.startsWith('job-') ? [phase] : [phase, 'snapshot', '100'];
      assert.deepEqual(await call(prefix.hook, args), { status: 0, stdout: '', stderr: '' }, phase);
    }
  });

  test('a phase that nobody knows yet is a warning, and chained hooks see it', async (t) => {
    const prefix = makePrefix(t, { config: `${NEVER}\non-failure = "fail"` });
    const alone = await call(prefix.hook, ['backup-paused', 'stop', '100']);
    assert.equal(alone.status, 0);
    assert.match(
      alone.stderr,
      /^lifeboat: warning: vzdump has a phase "backup-paused" that this version does not know/,
    );
    prefix.chain('10-record', 'echo "$*" >>"$NOTES"; exit 5');
    assert.equal((await call(prefix.hook, ['backup-paused', 'stop', '100'])).status, 5);
    assert.deepEqual(prefix.notes(), ['backup-paused stop 100']);
  });

  test('no phase is wrong usage, --help shows it', async () => {
    ends(await lifeboat(['hook']), STATUS.usage, /The phase is missing: lifeboat hook PHASE \[MODE VMID\]/);
    const help = await lifeboat(['hook', '--help']);
    ends(help, STATUS.done);
    assert.match(help.stdout, /script: \/usr\/local\/lib\/lifeboat\/hooks\/vzdump-hook\n[\s\S]*64 wrong usage/);
  });

  for (const phase of ['pre-start', 'post-start', 'pre-stop', 'post-stop']) {
    test(`as a guest's hookscript by mistake, in ${phase}: says so and how to set it right, and lets the guest go on`, async () => {
      for (const ran of [await call(HOOK, ['100', phase]), await call(PROGRAM, ['hook', '100', phase])]) {
        assert.equal(ran.status, 0);
        assert.match(
          ran.stderr,
          /^lifeboat: warning: this is a hook for vzdump, and guest 100 has it as its hookscript/,
        );
        assert.match(ran.stderr, /qm set 100 --delete hookscript .*pct set 100 --delete hookscript/);
        assert.match(ran.stderr, /in \/etc\/vzdump\.conf: script: \/.*\/hooks\/vzdump-hook\n?$/);
      }
    });
  }

  test('a phase of a guest without a guest is told', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    const ran = await call(prefix.hook, ['log-end']);
    assert.equal(ran.status, 0);
    assert.match(ran.stderr, /warning: Cannot tell which guest log-end is for/);
  });

  test('loads next to nothing where nothing is to do: neither yargs nor zod nor koffi', async (t) => {
    const preload = join(directory(t), 'preload.cjs');
    writeFileSync(
      preload,
      `process.on('exit', () => console.log(JSON.stringify({
        files: Object.keys(require.cache), objects: process.report.getReport().sharedObjects })));`,
    );
    for (const args of [['pre-stop', 'snapshot', '100'], ['100', 'pre-start'], []]) {
      const flags = ['--require', preload, 'dist/main.js', 'hook', ...args];
      const { stdout } = await execa(process.execPath, flags, { reject: false, stdin: 'ignore' });
      const { files, objects } = JSON.parse(stdout) as { files: string[]; objects: string[] };
      const ours = files.filter((path) => path !== preload);
      assert.deepEqual(ours.map((path) => basename(path)).sort(), ['hook.js', 'main.js']);
      const bytes = ours.reduce((sum, path) => sum + statSync(path).size, 0);
      assert.ok(bytes < 16 * KIB, `${bytes} bytes`);
      assert.equal(
        objects.some((path) => path.endsWith('.node')),
        false,
      );
    }
  });

  test('a phase in which nothing is to do takes at most twice as long as a bare node', {
    timeout: 120_000,
  }, async () => {
    const args = ['hook', 'pre-stop', 'snapshot', '100'];
    // What else the machine does can only make a turn slower, so one quiet round of several is proof.
    let ratio = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3 && ratio > 2; round++) {
      const bare: number[] = [];
      const ours: number[] = [];
      for (let turn = 0; turn < 15; turn++) {
        bare.push(await timeOf(process.execPath, ['-e', '0']));
        ours.push(await timeOf(PROGRAM, args));
      }
      ratio = Math.min(ratio, medianOf(ours) / medianOf(bare));
    }
    assert.ok(ratio <= 2, `${ratio.toFixed(2)} times a bare node`);
  });
});

describe('hooks/vzdump-hook', { concurrency: 2 }, () => {
  test('is what shellcheck has nothing to say of', async (t) => {
    const found = await execa('shellcheck', ['--version'], { reject: false });
    if (found.exitCode !== 0) return t.skip('shellcheck is not installed');
    await execa('shellcheck', [HOOK]);
  });

  for (const shell of ['dash', 'busybox sh', 'bash --posix'] as const) {
    test(`runs in ${shell}`, async (t) => {
      const prefix = makePrefix(t, { config: NEVER });
      prefix.chain('10-record', 'echo "$*" >>"$NOTES"');
      const [file = '', ...flags] = shell.split(' ');
      const { stdout: path, failed } = await execa('sh', ['-c', `command -v ${file}`], { reject: false });
      if (failed) return t.skip(`${file} is not installed`);
      const env = { LIFEBOAT_CONFIG: join(prefix.directory, 'etc/config.toml') };
      const hook = join(prefix.directory, 'hooks/vzdump-hook');
      for (const args of [['pre-stop', 'snapshot', '100'], ['job-init'], ['100', 'pre-start']])
        assert.equal((await call(path, [...flags, hook, ...args], env)).status, 0, args.join(' '));
      assert.deepEqual(prefix.notes(), ['pre-stop snapshot 100', 'job-init']);
    });
  }

  test('is found through links, from another directory', async (t) => {
    const prefix = makePrefix(t, { config: NEVER });
    symlinkSync(join(prefix.directory, 'hooks/vzdump-hook'), join(prefix.directory, 'link'));
    const env = { LIFEBOAT_CONFIG: join(prefix.directory, 'etc/config.toml') };
    assert.deepEqual(await call(join(prefix.directory, 'link'), ['job-init'], env), {
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('starts no program at all in the phases in which only chained hooks can have something to do', async (t) => {
    const base = withoutLauncher(directory(t));
    for (const phase of IDLE)
      assert.deepEqual(await call(base.hook, [phase, 'stop', '100'], base.env), { status: 0, stdout: '', stderr: '' });
    const ran = await call(base.hook, ['job-init'], base.env);
    assert.match(ran.stderr, /^lifeboat: warning: the hook cannot run: lifeboat is not installed/);
  });

  test('without lifeboat or Node.js it fails nothing, unless the admin wants it so or other hooks are not run for it', async (t) => {
    for (const { hook, env, chained, config } of [withoutLauncher(directory(t)), withoutNode(directory(t))]) {
      assert.equal((await call(hook, ['log-end', 'stop', '100'], env)).status, 0);
      assert.equal((await call(hook, ['100', 'pre-start'], env)).status, 0);
      writeFileSync(config, '[hook]\n# on-failure = "fail"\non-failure = "warn"\n');
      assert.equal((await call(hook, ['job-init'], env)).status, 0);
      writeFileSync(config, '[hook]\non-failure = "fail" # says the admin\n');
      assert.equal((await call(hook, ['job-init'], env)).status, 1);
      rmSync(config);
      writeFileSync(join(chained, '10-other'), '#!/bin/sh\n', { mode: 0o755 });
      const ran = await call(hook, ['job-init'], env);
      assert.equal(ran.status, 1);
      assert.match(ran.stderr, /error: so the hooks in ".*hooks\.d" were not run/);
    }
  });
});

interface BareHook {
  hook: string;
  env: Record<string, string>;
  config: string;
  chained: string;
}

/** A hook alone. This machine may have what it looks for in the system's directories, so a copy of it looks elsewhere. */
function withoutLauncher(base: string): BareHook {
  mkdirSync(join(base, 'hooks'));
  mkdirSync(join(base, 'etc/hooks.d'), { recursive: true });
  const hook = join(base, 'hooks/vzdump-hook');
  writeFileSync(hook, readFileSync(HOOK, 'utf8').replaceAll(/\/usr\/(local\/)?sbin\/lifeboat/g, '/nowhere/lifeboat'));
  chmodSync(hook, 0o755);
  const config = join(base, 'etc/config.toml');
  return { hook, env: { LIFEBOAT_CONFIG: config }, config, chained: join(base, 'etc/hooks.d') };
}

function withoutNode(base: string): BareHook {
  const bare = withoutLauncher(base);
  mkdirSync(join(base, 'bin'));
  mkdirSync(join(base, 'tools'));
  copyFileSync(PROGRAM, join(base, 'bin/lifeboat'));
  for (const tool of ['readlink', 'grep']) symlinkSync(`/usr/bin/${tool}`, join(base, 'tools', tool));
  const text = readFileSync(bare.hook, 'utf8').replace(/^PATH=.*$/m, `PATH=${join(base, 'tools')}`);
  writeFileSync(bare.hook, text);
  return bare;
}

function medianOf(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function timeOf(file: string, args: string[]): Promise<number> {
  const since = performance.now();
  await execa(file, args, { stdin: 'ignore' });
  return performance.now() - since;
}
