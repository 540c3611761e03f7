import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Diagnosis } from '../../src/sets/doctor.js';
import { ends, lifeboat, STATUS } from './program.js';

/** What boots this machine decides how it ends. */
const statusFor = ({ verdict }: Diagnosis) => (verdict.grade === 'impossible' ? STATUS.failed : STATUS.done);

test('doctor tells on stdout what this host boots from, and changes nothing', async () => {
  const asJson = await lifeboat(['doctor', '--json']);
  const diagnosis = JSON.parse(asJson.stdout) as Diagnosis;
  ends(asJson, statusFor(diagnosis), /^$/);
  assert.equal(diagnosis.node.isEnough, true);
  assert.ok(diagnosis.memory.availableBytes > 0);
  assert.ok(diagnosis.requirements.some(({ name }) => name === 'libzstd1'));

  const inWords = await lifeboat(['doctor']);
  ends(inWords, statusFor(diagnosis), /^$/);
  assert.match(inWords.stdout, /^Host .*: node /m);
  for (const { path } of diagnosis.boot?.disks ?? []) assert.ok(inWords.stdout.includes(`Boot disk ${path}: `));
  assert.equal((await lifeboat(['doctor', '-q'])).stdout, '');
});

test('doctor without root says what it could not see', {
  skip: process.getuid?.() === 0 ? false : 'needs root to become somebody else',
}, async (t) => {
  const ran = await lifeboat(['doctor', '--json'], { uid: 65534, gid: 65534 }).catch(() => undefined);
  if (ran === undefined || ran.status === 126) return t.skip('the checkout cannot be read by others');
  const diagnosis = JSON.parse(ran.stdout) as Diagnosis;
  ends(ran, statusFor(diagnosis), /^$/);
  assert.equal(diagnosis.isRoot, false);
  assert.match(diagnosis.unseen.join('\n'), /root/);
});

test('doctor takes no arguments', async () => {
  ends(await lifeboat(['doctor', '/dev/sda']), STATUS.usage);
});
