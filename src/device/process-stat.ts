import { readFileSync } from 'node:fs';

/** What proc_pid_stat(5) tells of a process. A tick is 10 ms on x86-64 and arm64, whatever the kernel's own rate. */
export interface ProcessStat {
  /** "Z" has ended, and waits for its parent to look. */
  state: string;
  /** When it was started, after the boot: tells apart processes of the same number, for numbers come again. */
  startTicks: string;
  /** Processor time of its children that are over and were waited for. */
  childrenTicks: number;
}

/** Field 3, the state, is the first behind the name; of the others this is how much further they are. */
const CHILDREN_USER = 13;
const CHILDREN_SYSTEM = 14;
const START_TIME = 19;

/** @throws what the system says: ENOENT or ESRCH where there is no such process */
export function readProcessStat(pid: number | 'self', proc = '/proc'): ProcessStat {
  const text = readFileSync(`${proc}/${pid}/stat`, 'latin1');
  // The name, in parentheses, may hold anything, also blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '',
    startTicks: fields[START_TIME] ?? '',
    childrenTicks: Number(fields[CHILDREN_USER] ?? 0) + Number(fields[CHILDREN_SYSTEM] ?? 0),
  };
}
