import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { roundSize } from '../device/sizes.js';
import { keepRescueKitCurrent } from '../sets/rescue-kit.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage(
      'lifeboat rescue-kit DIR\n\nWrites a tarball to DIR that restores from any live system: node, this program, and all they need.',
    )
    .positional('directory', { type: 'string', demandOption: true, describe: 'Where the sets are' })
    .example('lifeboat rescue-kit /mnt/nas/lifeboat', 'beside the sets; nothing is done if it is current')
    .epilogue(EXIT_WORDS);
}

export function addRescueKit(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'A tarball to restore with from any live system', build, (argv) => {
    choose({
      options: argv,
      async action({ face, signal }) {
        const kit = await keepRescueKitCurrent({ directory: resolve(argv.directory), signal }, face);
        face.answer(kit);
        face.say(`${kit.path}: ${kit.isNew ? 'written' : 'current already'}, ${roundSize(kit.sizeBytes)}`);
        return 0;
      },
    });
  });
}
