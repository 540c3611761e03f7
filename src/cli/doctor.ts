import type { Argv } from 'yargs';
import { EXIT_STATUS } from '../error.js';
import { examineHost } from '../sets/doctor.js';
import { diagnosisInWords } from '../sets/doctor-words.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage(
      'lifeboat doctor\n\nShows what this host boots from, what an image of it would have and lack, what is missing on ' +
        'this host and what that costs. Changes nothing.',
    )
    .example('lifeboat doctor', 'before the first lifeboat boot')
    .epilogue(`${EXIT_WORDS}\n1 if no image of the boot disk can be made at all`);
}

export function addDoctor(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'What this host has and lacks', build, (argv) => {
    choose({
      options: argv,
      async action({ face, signal }) {
        const diagnosis = await examineHost(signal);
        if (!argv.json && !argv.quiet) process.stdout.write(`${diagnosisInWords(diagnosis).join('\n')}\n`);
        face.answer(diagnosis);
        return diagnosis.verdict.grade === 'impossible' ? EXIT_STATUS.FAILED : 0;
      },
    });
  });
}
