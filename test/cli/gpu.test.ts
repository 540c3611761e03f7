import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { GpuSurvey } from '../../src/gpu/survey.js';
import { SWIFTSHADER_ICD } from '../gpu/adapter.js';
import { lifeboat, STATUS } from './program.js';

const built = existsSync('dist/main.js') ? false : 'the project is not built';
const skip = built || (existsSync(SWIFTSHADER_ICD) ? false : 'chromium, with its SwiftShader, is not installed');

test('gpu measures a software device, says that it is one, and that there is no other', { skip }, async () => {
  const env = { VK_ICD_FILENAMES: SWIFTSHADER_ICD };
  const { status, stdout } = await lifeboat(['gpu', '--json'], { env });
  const { gpus } = JSON.parse(stdout) as GpuSurvey;
  assert.deepEqual([status, gpus.length, gpus[0]?.isSoftware, gpus[0]?.problem], [STATUS.failed, 1, true, undefined]);
  assert.ok((gpus[0]?.speed?.ratio ?? 0) > 1);
});

test('gpu says what to install where there is no driver', { skip: built }, async () => {
  const { status, stdout } = await lifeboat(['gpu'], { env: { VK_ICD_FILENAMES: '/nonexistent' } });
  assert.equal(status, STATUS.failed);
  assert.match(stdout, /^No graphics card: .*install/m);
});
