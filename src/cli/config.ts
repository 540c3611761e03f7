import type { Argv } from 'yargs';
import { adviceOn } from '../config/advice.js';
import { configPath } from '../config/config-path.js';
import type { ParsedConfig } from '../config/read-config.js';
import { readTrustedFile } from '../config/trusted-file.js';
import { EXIT_STATUS, LifeboatError } from '../error.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage(
      'lifeboat config check|show [FILE]\n\ncheck tells all that is wrong in the configuration, with lines; show prints what is in ' +
        'force, and where it comes from. Changes nothing.',
    )
    .positional('action', { choices: ['check', 'show'] as const, demandOption: true, describe: 'What to do' })
    .positional('file', { type: 'string', describe: `Configuration (default: ${configPath()})` })
    .example('lifeboat config check', 'is it right')
    .example('lifeboat config show', 'what holds, with every default')
    .epilogue(EXIT_WORDS);
}

export function addConfig(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Check or show the configuration', build, (argv) => {
    choose({
      options: argv,
      async action({ face }) {
        const path = argv.file ?? configPath();
        const text = readTrustedFile(path);
        if (text === undefined && argv.file !== undefined)
          throw new LifeboatError('CONFIG', `Cannot read "${path}": there is no such file`, {
            hint: 'without FILE it is the configuration in force',
          });
        const { parseConfig } = await import('../config/read-config.js');
        const parsed = text === undefined ? undefined : parseConfig(text);
        return await (argv.action === 'check' ? check(path, parsed, face) : show(path, parsed, face));
      },
    });
  });
}

/** @param parsed undefined where there is no such file */
async function check(path: string, parsed: ParsedConfig | undefined, face: Face): Promise<number> {
  const { problemLines, readConfig } = await import('../config/read-config.js');
  const { config, exists } = parsed === undefined ? readConfig(path) : { config: parsed.config, exists: true };
  const problems = parsed?.problems ?? [];
  const warnings = config === undefined ? [] : adviceOn(config, path);
  face.answer({ path, exists, problems, warnings });
  for (const line of problemLines(path, problems)) process.stderr.write(`${line}\n`);
  if (problems.length > 0) return EXIT_STATUS.CONFIG;
  for (const text of warnings) face.warn(text);
  face.say(
    exists
      ? `lifeboat: "${path}" is right`
      : `lifeboat: there is no "${path}", so everything is as by default and nobody is notified`,
  );
  return 0;
}

/** @throws LifeboatError CONFIG where it is wrong, for nothing is in force then */
async function show(path: string, parsed: ParsedConfig | undefined, face: Face): Promise<number> {
  const [{ readConfig }, { configInToml, shownKeys }] = await Promise.all([
    import('../config/read-config.js'),
    import('../config/show-config.js'),
  ]);
  const { config, exists } = readConfig(path);
  face.answer({ path, exists, keys: shownKeys(config, parsed?.lines) });
  if (!face.json) process.stdout.write(configInToml(config, parsed?.lines, path));
  return 0;
}
