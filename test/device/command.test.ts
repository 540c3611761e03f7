import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from '../../src/device/command.js';
import { LifeboatError } from '../../src/error.js';

test('gives what a program printed, to the last newline, and its status', async () => {
  assert.deepEqual(await runCommand('printf', ['%s\\n', 'two words']), {
    stdout: 'two words\n',
    stderr: '',
    status: 0,
  });
  const other = await runCommand('sh', ['-c', 'echo no >&2; exit 3'], { okStatuses: [0, 3] });
  assert.deepEqual(other, { stdout: '', stderr: 'no\n', status: 3 });
});

test('a program gets what we hand it and nothing else', async () => {
  process.env.LIFEBOAT_TEST_SECRET = 'secret';
  try {
    const { stdout } = await runCommand('env', []);
    assert.ok(!stdout.includes('LIFEBOAT_TEST_SECRET'), stdout);
    assert.match(stdout, /^LC_ALL=C$/m);
    assert.match(stdout, /^PATH=\/usr\/sbin:\/usr\/bin:\/sbin:\/bin$/m);
  } finally {
    delete process.env.LIFEBOAT_TEST_SECRET;
  }
  assert.equal((await runCommand('cat', [])).stdout, '');
  assert.equal((await runCommand('cat', [], { input: 'given' })).stdout, 'given');
  assert.equal((await runCommand('printf', ['%s', '$HOME; `id` *'])).stdout, '$HOME; `id` *');
});

test('a failure names the command, the status and the last complaint', async () => {
  await assert.rejects(runCommand('sh', ['-c', 'echo first >&2; echo last one >&2; exit 5']), (error: unknown) => {
    assert.ok(error instanceof LifeboatError);
    assert.equal(error.code, 'FAILED');
    assert.match(error.message, /^"sh -c .*" failed with status 5: last one$/s);
    return true;
  });
  await assert.rejects(runCommand('sh', ['-c', 'kill -KILL $$']), /was ended by SIGKILL/);
});

test('a program that is not installed is undefined where that is allowed, else an error that says so', async () => {
  assert.equal(await runCommand('lifeboat-no-such-program', [], { allowMissing: true }), undefined);
  await assert.rejects(
    runCommand('lifeboat-no-such-program', []),
    /Cannot run lifeboat-no-such-program: it is not inst/,
  );
});

test('an abort ends the program soon, also one that ignores SIGTERM, and gives the reason', async () => {
  const reason = new Error('stop now');
  const stopping = new AbortController();
  const started = performance.now();
  const running = runCommand('sh', ['-c', 'trap "" TERM; while :; do sleep 0.1; done'], { signal: stopping.signal });
  setTimeout(() => stopping.abort(reason), 200);
  await assert.rejects(running, (error) => error === reason);
  assert.ok(performance.now() - started < 4500);
  await assert.rejects(runCommand('true', [], { signal: stopping.signal }), (error) => error === reason);
});

test('an abort ends the whole group at once, and is not held up by who has left it with the pipes', async () => {
  const reason = new Error('stop now');
  const stopping = new AbortController();
  const started = performance.now();
  const running = runCommand('sh', ['-c', 'exec 3<&0; setsid sleep 4 <&3 & trap "" TERM; sleep 60; sleep 60'], {
    signal: stopping.signal,
    ownGroup: true,
    input: Buffer.alloc(1024 * 1024),
  });
  setTimeout(() => stopping.abort(reason), 200);
  await assert.rejects(running, (error) => error === reason);
  assert.ok(performance.now() - started < 3800, `it took ${performance.now() - started} ms`);
});
