import { VERSION } from '../version.js';

const MIN_NODE = [20, 19] as const;

// Node ends with 0 or 13 when it runs out of work with a promise still open: only an answer makes it a success.
process.exitCode = 1;
process.on('SIGUSR1', () => undefined);
// Asks a phase how far it is; between two phases it must not end the run, which is what it does by default.
process.on('SIGUSR2', () => undefined);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
  process.stderr.write(`lifeboat: needs Node.js ${MIN_NODE.join('.')} or later, this is ${process.versions.node}\n`);
} else if (process.argv.length === 3 && process.argv[2] === '--version') {
  // Nothing else is loaded for this: scripts ask for it often.
  process.stdout.write(`${VERSION}\n`);
  process.exitCode = 0;
} else if (process.argv[2] === 'hook') {
  // Without yargs and its 18 ms: vzdump calls it several times for each guest.
  void import('./hook.js').then(({ hook }) => hook(process.argv.slice(3)));
} else {
  void import('./run.js').then(({ run }) => run(process.argv.slice(2)));
}
