import { mkdtemp, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { BenchError, STATUS } from './options.mjs';
import { stopAll } from './shell.mjs';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Gives `action` a directory that is gone afterwards, however this ends. */
export async function inWorkDirectory(parent, action) {
  const directory = await mkdtemp(path.join(parent, 'lifeboat-bench.')).catch((error) => {
    throw new BenchError(STATUS.failed, `Cannot make a directory in "${parent}": ${error.message}`);
  });
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 5 });
  for (const [signal, status] of Object.entries(SIGNALS)) {
    process.once(signal, async () => {
      process.stderr.write(`\n${signal}: stopping, and removing the temporary files\n`);
      await stopAll();
      await remove();
      process.exit(status);
    });
  }
  try {
    return await action(directory);
  } finally {
    await stopAll();
    await remove();
  }
}

/** @throws BenchError with status 14 */
export async function requireSpace(directory, neededBytes) {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  const mib = (bytes) => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
  throw new BenchError(
    STATUS.noSpace,
    `Needs ${mib(neededBytes)} in "${path.dirname(directory)}", where ${mib(freeBytes)} are free; ` +
      'name another place by --work, or a smaller disk by --size',
  );
}
