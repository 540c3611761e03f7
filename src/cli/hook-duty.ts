import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configPath } from '../config/config-path.js';
import { type ReadConfig, readConfig } from '../config/read-config.js';
import { exitNow } from '../native/libc.js';
import { readSmallFile } from '../sets/small-file.js';
import { saveBootDisk } from '../vzdump/boot-child.js';
import type { PhaseCall } from '../vzdump/call.js';
import { createHookReport, type OnFailure } from '../vzdump/report.js';
import { runPhase } from '../vzdump/run-phase.js';
import { listenForSignals, StoppedBySignal } from './stopping.js';

/** What the hook does in the phases in which there is something to do. Ends the process. */
export async function hookDuty(call: PhaseCall): Promise<void> {
  const stopping = listenForSignals();
  // What is left to do is done although nobody listens any more.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const write = (text: string) => void process.stderr.write(text);
  const { signal } = stopping;
  const { env } = process;
  const path = configPath();
  const { read, configError } = tryConfig(path);
  const onFailure = read?.config.hook['on-failure'] ?? onFailureOfWrong(path);
  const report = createHookReport(onFailure, write);
  const launcher = join(fileURLToPath(import.meta.url), '../../bin/lifeboat');
  const runDuty = () => saveBootDisk(launcher, env, signal, report);
  let status: number;
  try {
    status = await runPhase(call, { env, read, configError, configPath: path, onFailure, report, signal, runDuty });
  } catch (error) {
    if (error instanceof StoppedBySignal) write(`lifeboat: ${error.message}\n`);
    else report.fail(error);
    status = onFailure === 'fail' ? 1 : 0;
  }
  stopping.endBySignal();
  // A look at a share whose server is gone may still be waited for, which process.exit would do too. Guests' phases look at
  // no share, and are spared the 20 ms of what exitNow needs.
  if (call.phase.startsWith('job-')) exitNow(status);
  process.exit(status);
}

function tryConfig(path: string): { read: ReadConfig | undefined; configError: unknown } {
  try {
    return { read: readConfig(path), configError: undefined };
  } catch (error) {
    return { read: undefined, configError: error };
  }
}

/** Who wants failures to fail the job wants that of a wrong configuration too, if that much of it can be read. */
function onFailureOfWrong(path: string): OnFailure {
  try {
    return /^[^#\n]*\bon-failure\s*=\s*["']fail["']/m.test(readSmallFile(realpathSync(path))) ? 'fail' : 'warn';
  } catch {
    return 'warn';
  }
}
