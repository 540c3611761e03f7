import { $ } from 'zx';

/** Process groups that run, each by its leader's id. */
const running = new Map();
let stopped = false;

/**
 * Runs a fixed piece of bash, where a pipe fails with any of its parts. What a user named goes in by `env` only, so that
 * no path is ever read as shell.
 * @param {string} script
 * @param {Record<string, string>} env
 * @returns {Promise<{ ok: boolean, stdout: string, reason: string }>} `reason`: the last line it said when it failed
 */
export async function shell(script, env = {}) {
  // After stopAll nothing more is started; the program ends meanwhile.
  if (stopped) return new Promise(() => undefined);
  const child = $({
    env: { ...process.env, LC_ALL: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    nothrow: true,
    quiet: true,
  })`bash -o pipefail -c ${script}`;
  running.set(child.pid, child);
  const { exitCode, signal, stdout, stderr } = await child;
  running.delete(child.pid);
  const said =
    stderr.trim().split('\n').at(-1) || `it ended with ${signal ?? `exit status ${exitCode}`}, without a word`;
  return { ok: exitCode === 0, stdout, reason: said };
}

/** The same for steps that must not fail. */
export async function mustShell(what, script, env) {
  const { ok, stdout, reason } = await shell(script, env);
  if (!ok) throw new Error(`Cannot ${what}: ${reason}`);
  return stdout;
}

/** Ends all that runs, with its children, and waits for it. */
export async function stopAll() {
  stopped = true;
  for (const pid of running.keys()) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
  await Promise.all(running.values());
}
