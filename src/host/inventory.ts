import { createRequire } from 'node:module';
import { runCommand } from '../device/command.js';
import { fill, type HostFileMaker, NotOnThisHost } from './host-file.js';

/** Of https://systeminformation.io: what a person who looks for spare parts wants to know, and nothing that changes by the minute. */
const WANTED = {
  system: '*',
  bios: '*',
  baseboard: '*',
  chassis: '*',
  cpu: '*',
  mem: 'total',
  memLayout: '*',
  graphics: 'controllers',
  osInfo: '*',
  diskLayout: '*',
  networkInterfaces: '*',
};

const SCRIPT = `require(process.argv[1]).get(JSON.parse(process.argv[2]))
  .then((found) => process.stdout.write(JSON.stringify(found, null, 2) + '\\n'))`;

/**
 * The hardware as systeminformation sees it, in a process of its own: that package runs programs and waits for them in
 * the thread it is called in, for seconds where a disk is slow to answer, and cannot be stopped.
 */
export function inventory(name: string): HostFileMaker {
  return {
    name,
    madeBy: `npm package systeminformation: ${Object.keys(WANTED).join(', ')}`,
    async make(path, signal) {
      const args = ['--input-type=commonjs', '--eval', SCRIPT, '--', findPackage(), JSON.stringify(WANTED)];
      const { stdout } = await runCommand(process.execPath, args, { signal });
      await fill(path, stdout);
      return undefined;
    },
  };
}

function findPackage(): string {
  try {
    return createRequire(import.meta.url).resolve('systeminformation');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new NotOnThisHost('the npm package systeminformation is not installed with Lifeboat');
  }
}
