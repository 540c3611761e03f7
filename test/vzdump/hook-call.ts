import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** One call of a hook, as PVE::VZDump's run_hook_script and run_command make it. */
export interface HookCallRecord {
  phase: string;
  mode: string | undefined;
  vmid: number | undefined;
  env: Record<string, string>;
  /** Undefined where a signal ended it. */
  status: number | undefined;
  signal: NodeJS.Signals | undefined;
  /** As the task's log shows them. */
  lines: string[];
  /** From the end of the hook until nobody held its pipes any more: vzdump waits for that. */
  heldMs: number;
  /** From the SIGTERM to the end. */
  cancelMs: number | undefined;
  /** The SIGKILL was needed. */
  wasKilled: boolean;
}

export interface CancelPlan {
  phase: string;
  /** The moment. */
  isTime(): boolean;
}

/** PVE::RPCEnvironment, "5s TERM, then KILL". */
const KILL_AFTER_MS = 5000;

/** Calls the hook and waits, as vzdump does, until both of its pipes are at their end. Its process group is its own. */
export async function callHook(
  script: string,
  call: { phase: string; mode?: string | undefined; vmid?: number | undefined },
  variables: Record<string, string | undefined>,
  cancel?: CancelPlan,
): Promise<HookCallRecord> {
  const { phase, mode, vmid } = call;
  const args = mode === undefined || vmid === undefined ? [phase] : [phase, mode, String(vmid)];
  const set = Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const env = { LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1', ...Object.fromEntries(set) };
  const child = spawn(script, args, { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  child.stdin.on('error', () => undefined).end();
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  let endedAt = Number.NaN;
  const closed = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      endedAt = performance.now();
    });
    child.once('close', (status, signal) => resolve({ status, signal }));
  });
  const cancelling =
    cancel?.phase === phase ? cancelGroup(child.pid ?? 0, cancel, () => !Number.isNaN(endedAt)) : undefined;
  const { status, signal } = await closed;
  const heldMs = performance.now() - endedAt;
  const cancelled = await cancelling;
  return {
    phase,
    mode,
    vmid,
    env,
    status: status ?? undefined,
    signal: signal ?? undefined,
    lines: taskLogLines(text),
    heldMs,
    cancelMs: cancelled === undefined ? undefined : endedAt - cancelled.atMs,
    wasKilled: cancelled?.wasKilled ?? false,
  };
}

async function cancelGroup(pid: number, { isTime }: CancelPlan, hasEnded: () => boolean) {
  while (!isTime()) {
    if (hasEnded()) throw new Error('the hook ended before it could be cancelled');
    await sleep(10);
  }
  const atMs = performance.now();
  process.kill(-pid, 'SIGTERM');
  while (performance.now() - atMs < KILL_AFTER_MS) {
    if (hasEnded()) return { atMs, wasKilled: false };
    await sleep(10);
  }
  process.kill(-pid, 'SIGKILL');
  return { atMs, wasKilled: true };
}

/** How PVE::RPCEnvironment and run_command cut a program's output into lines; what is blank or a lone 0 is lost. */
export function taskLogLines(text: string): string[] {
  return text.split(/[\n\r\b]+/).filter((line) => line.trim() !== '' && line !== '0');
}
