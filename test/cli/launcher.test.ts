import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { directory, ends, KIB, lifeboat, PROGRAM, STATUS, sameFile, start, until } from './program.js';

const VERSION: string = JSON.parse(readFileSync('package.json', 'utf8')).version;
const INSPECTOR_PORT = 9229;

function run(file: string, args: string[], options = {}) {
  return execa(file, args, { reject: false, stdin: 'ignore', ...options });
}

test('it runs from a checkout, through symbolic links, and from another directory', async (t) => {
  const base = directory(t);
  mkdirSync(join(base, 'sbin'));
  symlinkSync(PROGRAM, join(base, 'first'));
  symlinkSync('../first', join(base, 'sbin', 'lifeboat'));
  for (const [file, cwd] of [
    [PROGRAM, '/'],
    [join(base, 'sbin', 'lifeboat'), '/'],
    ['sbin/lifeboat', base],
    ['./lifeboat', join(base, 'sbin')],
  ] as const) {
    const { stdout, exitCode } = await run(file, ['--version'], { cwd });
    assert.deepEqual({ stdout, exitCode }, { stdout: VERSION, exitCode: 0 }, file);
  }
});

test("it runs with vzdump's empty environment and with cron's short PATH", {
  skip: ['/usr/bin/node', '/usr/local/bin/node', '/usr/bin/nodejs'].some(existsSync)
    ? false
    : 'node is in none of the directories where Debian has it',
}, async (t) => {
  const base = directory(t);
  const source = join(base, 'source');
  copyFileSync(PROGRAM, source);
  const bare = await run('/usr/bin/env', ['-i', PROGRAM, 'image', source, '-o', join(base, 'a'), '--json'], {
    cwd: '/',
  });
  assert.equal(bare.exitCode, 0, bare.stderr);
  assert.equal(JSON.parse(bare.stdout).image.codec, 'zstd');
  const cron = await run('/usr/bin/env', ['-i', 'PATH=/usr/bin:/bin', PROGRAM, 'verify', join(base, 'a')]);
  assert.equal(cron.exitCode, 0, cron.stderr);
});

test('node is found by PATH first', async (t) => {
  const base = directory(t);
  symlinkSync(process.execPath, join(base, 'node'));
  const { stdout } = await run('/usr/bin/env', ['-i', `PATH=${base}`, '/bin/sh', PROGRAM, '--version'], { cwd: '/' });
  // The launcher itself wants readlink, which that PATH has not: it must still say something and not hang.
  assert.equal(stdout === VERSION || stdout === '', true);
  const both = await run('/usr/bin/env', ['-i', `PATH=${base}:/usr/bin:/bin`, PROGRAM, '--version'], { cwd: '/' });
  assert.equal(both.stdout, VERSION);
});

test('a checkout that is not built says what to type', async (t) => {
  const base = join(directory(t), "it's here");
  mkdirSync(join(base, 'bin'), { recursive: true });
  copyFileSync(PROGRAM, join(base, 'bin', 'lifeboat'));
  const { exitCode, stderr, stdout } = await run(join(base, 'bin', 'lifeboat'), ['--version']);
  assert.equal(exitCode, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /is not built: cd .* && npm ci && npm run build/);
  assert.match(stderr, new RegExp(base));
});

test('without Node.js it says what to install', async (t) => {
  const base = directory(t);
  const bin = join(base, 'bin');
  mkdirSync(bin);
  symlinkSync('/usr/bin/readlink', join(bin, 'readlink'));
  // This machine has node where the launcher looks in any case, so a copy of it looks elsewhere.
  const text = readFileSync(PROGRAM, 'utf8').replaceAll(/\/usr\/(local\/)?bin\/node(js)?\b/g, '/nowhere/node');
  writeFileSync(join(bin, 'lifeboat'), text);
  chmodSync(join(bin, 'lifeboat'), 0o755);
  const { exitCode, stderr } = await run('/bin/sh', [join(bin, 'lifeboat'), '--version'], {
    extendEnv: false,
    env: { PATH: bin },
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /Node\.js is not installed: apt install nodejs/);
});

for (const { when, delaysMs } of [
  { when: 'during a run', delaysMs: [600] },
  { when: 'right after the start', delaysMs: [20, 40, 60, 90] },
]) {
  test(`SIGUSR1 ${when} opens no inspector, and the run goes on`, async (t) => {
    const base = directory(t);
    for (const delayMs of delaysMs) {
      const out = join(base, `out-${delayMs}`);
      const running = start(['image', '-', '-o', out, '-c', 'none', '-q'], { stdin: 'pipe' });
      await sleep(delayMs);
      running.kill('SIGUSR1');
      await sleep(400);
      const open = await listens(INSPECTOR_PORT);
      running.stdin?.end('what was piped in');
      const { exitCode, stderr } = await running;
      assert.equal(open, false, `after ${delayMs} ms`);
      assert.equal(exitCode, 0, String(stderr));
      sameFile(out, Buffer.from('what was piped in'));
    }
  });
}

test('SIGUSR2 shows how far it is, and ends no run that has nothing to show', async (t) => {
  const base = directory(t);
  const running = start(['image', '-', '-o', join(base, 'out'), '-q'], { stdin: 'pipe' });
  running.stdin?.write('begun');
  await until('it writes', () => existsSync(join(base, 'out.partial')));
  await sleep(100);
  running.kill('SIGUSR2');
  await sleep(100);
  running.stdin?.end();
  const { exitCode, stderr } = await running;
  assert.equal(exitCode, 0, String(stderr));
  assert.match(String(stderr), /^image: 0 bytes in \d+s, read: .* MiB\/s, write: .* MiB\/s\n/);
  // A target that takes its time leaves the run without a phase: a FIFO that nobody reads from.
  const fifo = join(base, 'fifo');
  await execa('mkfifo', [fifo]);
  const waiting = start(['image', PROGRAM, '-o', fifo]);
  await sleep(500);
  waiting.kill('SIGUSR2');
  await sleep(100);
  assert.equal(waiting.exitCode ?? waiting.signalCode, null);
  const [got] = await Promise.all([execa('cat', [fifo], { encoding: 'buffer' }), waiting]);
  assert.ok(got.stdout.length > 100);
});

test('--version takes no longer than one and a half times a bare node', { timeout: 60_000 }, async () => {
  const bare: number[] = [];
  const ours: number[] = [];
  for (let turn = 0; turn < 15; turn++) {
    bare.push(await timeOf(process.execPath, ['-e', '0']));
    ours.push(await timeOf(PROGRAM, ['--version']));
  }
  // The quickest of each: other tests run beside this one, and can only make it slower.
  const ratio = Math.min(...ours) / Math.min(...bare);
  assert.ok(ratio < 1.5, `${Math.min(...ours).toFixed(0)} ms against ${Math.min(...bare).toFixed(0)} ms`);
});

test('--version loads next to nothing: neither yargs nor koffi', async () => {
  const hook = `import { writeSync } from 'node:fs';
    export function load(url, context, next) { writeSync(2, url + '\\n'); return next(url, context); }`;
  const preload = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(hook))});
    process.on('exit', () => console.error(process.report.getReport().sharedObjects.join('\\n')));`;
  const { stdout, stderr } = await run(process.execPath, ['--import', dataUrl(preload), 'dist/main.js', '--version']);
  assert.equal(stdout, VERSION);
  const loaded = stderr.split('\n').filter((line) => line.startsWith('file:'));
  assert.ok(loaded.some((url) => url.endsWith('/main.js')));
  const bytes = loaded.reduce((sum, url) => sum + statSync(new URL(url)).size, 0);
  assert.ok(bytes < 16 * KIB, `${bytes} bytes in ${loaded.join(' ')}`);
  assert.doesNotMatch(stderr, /\.node$/m);
});

test('--version says nothing else and needs no rights', async () => {
  const ran = await lifeboat(['--version']);
  ends(ran, STATUS.done);
  assert.equal(ran.stdout, `${VERSION}\n`);
  assert.equal(ran.stderr, '');
});

function dataUrl(text: string): string {
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

async function timeOf(file: string, args: string[]): Promise<number> {
  const since = performance.now();
  await run(file, args);
  return performance.now() - since;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
