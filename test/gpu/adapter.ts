import { existsSync } from 'node:fs';
import { type OpenDevice, openDevice } from '../../src/gpu/device.js';

/** Debian's chromium brings a Vulkan driver that computes on the processors. */
export const SWIFTSHADER_ICD = '/usr/lib/chromium/vk_swiftshader_icd.json';

// Before the first instance is made. A machine with a graphics card is tested with that.
if (process.env.VK_ICD_FILENAMES === undefined && existsSync(SWIFTSHADER_ICD)) {
  process.env.VK_ICD_FILENAMES = SWIFTSHADER_ICD;
}

/** The first device, software or not; or why the test is skipped. */
export async function testDevice(): Promise<{ open: OpenDevice; skip: false } | { open: undefined; skip: string }> {
  try {
    return { open: await openDevice('0'), skip: false };
  } catch (error) {
    return { open: undefined, skip: error instanceof Error ? error.message : String(error) };
  }
}
