import type { Argv } from 'yargs';
import type { Wishes } from '../image/plan-run.js';
import { DATA_KINDS, type DataKind, PRIORITIES, type Priority } from '../policy/facts.js';
import { msUntil } from '../policy/finish-by.js';

/** What `-c auto` goes by. Without defaults here: what no flag says, the configuration may. */
export function withPolicyOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('priority', {
      choices: PRIORITIES,
      defaultDescription: 'balanced',
      requiresArg: true,
      describe: 'What auto goes for: the soonest end, the smallest image, or both',
    })
    .option('kind', {
      choices: DATA_KINDS,
      defaultDescription: 'general',
      requiresArg: true,
      describe: 'What the data is: auto begins at zstd 3, of databases at 6, of logs at 9',
    })
    .option('finish-by', {
      type: 'string',
      requiresArg: true,
      describe: 'Time of day, as 06:30, by which auto should be done',
    });
}

/** @throws LifeboatError USAGE for what is no time of day */
export function wishesOf(
  given: { priority?: Priority | undefined; kind?: DataKind | undefined; finishBy?: string | undefined },
  configured: { priority?: Priority; kind?: DataKind; 'finish-by'?: string | undefined } = {},
): Wishes {
  const finishBy = given.finishBy ?? configured['finish-by'];
  return {
    priority: given.priority ?? configured.priority ?? 'balanced',
    kind: given.kind ?? configured.kind ?? 'general',
    // Once, here: a clock that is set while the run goes on moves no end.
    endAtMs: finishBy === undefined ? undefined : performance.now() + msUntil(finishBy, new Date()),
  };
}
