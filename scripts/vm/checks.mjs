import { echo } from 'zx';

/** @typedef {{ failed: string[], check: (what: string, ok: boolean, detail?: unknown) => void }} Checks */

/** Every check is said as it is made, and the run goes on behind one that fails: a boot costs minutes. */
export function startChecks() {
  const failed = [];
  const check = (what, ok, detail) => {
    const shown =
      detail === undefined ? '' : ` (${typeof detail === 'string' ? detail.trim() : JSON.stringify(detail)})`;
    echo(`  ${ok ? 'ok    ' : 'FAILED'} ${what}${ok ? '' : shown}`);
    if (!ok) failed.push(what);
  };
  return { failed, check };
}
