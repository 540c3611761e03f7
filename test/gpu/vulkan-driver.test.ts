import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasVulkanDriver } from '../../src/gpu/vulkan-driver.js';
import { directory } from '../cli/program.js';

test('a driver is there where its manifest is, or where the environment names one', (t) => {
  const base = directory(t);
  const [empty, full] = [join(base, 'empty'), join(base, 'full')];
  for (const path of [empty, full]) mkdirSync(path);
  const manifest = join(full, 'nvidia_icd.json');
  writeFileSync(manifest, '{}');
  assert.equal(hasVulkanDriver({}, [empty, join(base, 'none')]), false);
  assert.equal(hasVulkanDriver({}, [empty, full]), true);
  assert.equal(hasVulkanDriver({ VK_ICD_FILENAMES: '/nonexistent' }, [full]), false);
  assert.equal(hasVulkanDriver({ VK_DRIVER_FILES: `/nonexistent:${manifest}` }, [empty]), true);
  assert.equal(hasVulkanDriver({ VK_ADD_DRIVER_FILES: manifest }, [empty]), true);
});
