import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';

/** Where the Vulkan loader looks for drivers: its LoaderDriverInterface.md, "Driver Discovery". */
const DIRECTORIES = ['/usr/local/etc', '/usr/local/share', '/etc', '/usr/share'].map((top) => `${top}/vulkan/icd.d`);
const INSTEAD = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/**
 * Whether there is any driver. Without one Dawn, when it is asked, writes warnings of its own with a stack to standard error.
 * @param directories tests have others
 */
export function hasVulkanDriver(
  env: NodeJS.ProcessEnv = process.env,
  directories: readonly string[] = DIRECTORIES,
): boolean {
  const named = INSTEAD.map((name) => env[name]).find((value) => value !== undefined && value !== '');
  if (named !== undefined) return named.split(':').some((path) => existsSync(path));
  const added = env.VK_ADD_DRIVER_FILES?.split(':').some((path) => existsSync(path)) ?? false;
  return added || [...directories, `${homedir()}/.local/share/vulkan/icd.d`].some(hasManifest);
}

function hasManifest(directory: string): boolean {
  try {
    return readdirSync(directory).some((name) => name.endsWith('.json'));
  } catch {
    return false;
  }
}
