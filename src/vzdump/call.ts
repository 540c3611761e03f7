/**
 * How vzdump calls its hook (PVE::VZDump, run_hook_script): PHASE for a job, PHASE MODE VMID for a guest.
 * A guest's hookscript (PVE::GuestHelpers) is something else that admins mix up with it: VMID PHASE.
 */

export interface PhaseCall {
  kind: 'phase';
  phase: string;
  /** vzdump may come to have phases that we know nothing of. */
  isKnown: boolean;
  /** "snapshot", "suspend" or "stop"; undefined for a job's phase. */
  mode: string | undefined;
  vmid: string | undefined;
  /** All of them, as they came. */
  args: readonly string[];
}

export type HookCall = PhaseCall | { kind: 'guest-hookscript'; vmid: string } | { kind: 'usage' | 'help' };

interface PhaseNature {
  /** It begins something that has not been done yet, so nothing is to be undone when one of several hooks fails. */
  begins: boolean;
  /** Only chained hooks can have something to do. */
  isIdle: boolean;
}

const PHASES: Readonly<Record<string, PhaseNature>> = {
  'job-init': { begins: true, isIdle: false },
  'job-start': { begins: true, isIdle: false },
  'job-end': { begins: false, isIdle: false },
  'job-abort': { begins: false, isIdle: false },
  'backup-start': { begins: true, isIdle: true },
  'pre-stop': { begins: true, isIdle: true },
  'pre-restart': { begins: false, isIdle: true },
  'post-restart': { begins: false, isIdle: true },
  'backup-end': { begins: false, isIdle: false },
  'backup-abort': { begins: false, isIdle: false },
  'log-end': { begins: false, isIdle: false },
};

export function parseHookCall(args: readonly string[]): HookCall {
  const [first = '', mode, vmid] = args;
  if (first === '--help' || first === '-h') return { kind: 'help' };
  if (first === '') return { kind: 'usage' };
  if (/^\d+$/.test(first)) return { kind: 'guest-hookscript', vmid: first };
  const isGuest = vmid !== undefined && /^\d+$/.test(vmid);
  return {
    kind: 'phase',
    phase: first,
    isKnown: Object.hasOwn(PHASES, first),
    mode: isGuest ? mode : undefined,
    vmid: isGuest ? vmid : undefined,
    args,
  };
}

/** Lifeboat itself has nothing to do then. */
export function isIdlePhase(phase: string): boolean {
  return natureOf(phase)?.isIdle ?? true;
}

/**
 * Whether the first failure of a hook ends the phase. In a phase that ends something the others run all the same, for they
 * may have to undo what an earlier phase did: mounts, locks, a frozen database. So in a phase that nobody knows.
 */
export function endsAtFirstFailure(phase: string): boolean {
  return natureOf(phase)?.begins ?? false;
}

function natureOf(phase: string): PhaseNature | undefined {
  return Object.hasOwn(PHASES, phase) ? PHASES[phase] : undefined;
}
