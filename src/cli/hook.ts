import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hooksDirectory } from '../config/config-path.js';
import { isIdlePhase, type PhaseCall, parseHookCall } from '../vzdump/call.js';
import { mayHaveChainedHooks } from '../vzdump/chained-hooks.js';

const USAGE = `lifeboat hook PHASE [MODE VMID]

Does what is to be done in a phase of a vzdump job. vzdump calls it by hooks/vzdump-hook, which /etc/vzdump.conf names:
  script: /usr/local/lib/lifeboat/hooks/vzdump-hook
What it does, /etc/lifeboat/config.toml says under [hook]. Hooks in /etc/lifeboat/hooks.d are run with the same arguments.

Exit status: 0 done, or it could not be done and hook.on-failure is "warn"; 1 it is "fail"; 64 wrong usage; else that of
the first hook in hooks.d that failed
`;
const USAGE_STATUS = 64;

/**
 * The verb hook, without yargs, and without anything else where nothing is to be done: vzdump calls it some eight times for
 * each guest. Sets the exit status. Never rejects.
 */
export async function hook(args: readonly string[]): Promise<void> {
  const call = parseHookCall(args);
  switch (call.kind) {
    case 'help':
      process.stdout.write(USAGE);
      process.exitCode = 0;
      return;
    case 'usage':
      process.stderr.write(
        `lifeboat: error: The phase is missing: lifeboat hook PHASE [MODE VMID]\nlifeboat: lifeboat hook --help shows more\n`,
      );
      process.exitCode = USAGE_STATUS;
      return;
    case 'guest-hookscript':
      explainMistake(call.vmid);
      // A failing hookscript would keep the guest from starting, and nobody's guest stays down for a wrong setting of ours.
      process.exitCode = 0;
      return;
    case 'phase':
      return runPhaseCall(call);
  }
}

async function runPhaseCall(call: PhaseCall): Promise<void> {
  if (!call.isKnown)
    say(`warning: vzdump has a phase "${call.phase}" that this version does not know: nothing is done in it`);
  if (isIdlePhase(call.phase) && !mayHaveChainedHooks(hooksDirectory())) {
    process.exitCode = 0;
    return;
  }
  const { hookDuty } = await import('./hook-duty.js');
  await hookDuty(call);
}

function explainMistake(vmid: string): void {
  const hookPath = join(lastingTree(join(fileURLToPath(import.meta.url), '../..')), 'hooks/vzdump-hook');
  say(`warning: this is a hook for vzdump, and guest ${vmid} has it as its hookscript, by mistake`);
  say(`take it off the guest: ${commandsOf(vmid)}`);
  say(`set it right, by this line in /etc/vzdump.conf: script: ${hookPath}`);
}

/** The link that leads to this version, where there is one: the next version has it too. */
function lastingTree(tree: string): string {
  const link = join(dirname(tree), 'lifeboat');
  try {
    return realpathSync(link) === realpathSync(tree) ? link : tree;
  } catch {
    return tree;
  }
}

function commandsOf(vmid: string): string {
  if (existsSync(`/etc/pve/qemu-server/${vmid}.conf`)) return `qm set ${vmid} --delete hookscript`;
  if (existsSync(`/etc/pve/lxc/${vmid}.conf`)) return `pct set ${vmid} --delete hookscript`;
  return `qm set ${vmid} --delete hookscript (of a container: pct set ${vmid} --delete hookscript)`;
}

function say(text: string): void {
  process.stderr.write(`lifeboat: ${text.replaceAll(/[^\x20-\x7e]+/g, ' ')}\n`);
}
