import type { Argv } from 'yargs';
import { roundSize } from '../device/sizes.js';
import { EXIT_STATUS } from '../error.js';
import { type GpuSurvey, type SurveyedGpu, surveyGpus } from '../gpu/survey.js';
import { printable } from './columns.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { ChosenVerb } from './verb.js';

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage(
      'lifeboat gpu\n\nShows the graphics cards that LZ4 can run on, their limits, and how fast each is on this host, from ' +
        'memory to memory. Writes nothing.',
    )
    .example('lifeboat gpu', 'before the first -c gpu-lz4')
    .epilogue(`${EXIT_WORDS}\n1 if there is no graphics card that can be used`);
}

export function addGpu(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'Graphics cards for LZ4, and their speed', build, (argv) => {
    choose({
      options: argv,
      async action({ face, signal }) {
        const survey = await surveyGpus({ measure: true, signal });
        if (!argv.json && !argv.quiet) process.stdout.write(`${surveyInWords(survey).join('\n')}\n`);
        face.answer(survey);
        return survey.gpus.some(({ isSoftware, speed }) => !isSoftware && speed !== undefined) ? 0 : EXIT_STATUS.FAILED;
      },
    });
  });
}

function surveyInWords({ gpus, reason }: GpuSurvey): string[] {
  const words = gpus.flatMap(gpuInWords);
  if (reason !== undefined) words.push(`No graphics card: ${reason}`);
  else if (gpus.every(({ isSoftware }) => isSoftware))
    words.push('Only software devices, which are slower than the processors: taken by nothing unless it is named');
  return words;
}

function gpuInWords({ index, name, isSoftware, isReachable, maxBindingBytes, speed, problem }: SurveyedGpu): string[] {
  const kind = isSoftware ? 'software' : 'hardware';
  const lines = [`${index}: ${printable(name)} (${kind}, buffers of at most ${roundSize(maxBindingBytes)})`];
  if (!isReachable) lines.push('  cannot be told from another card of the same name before it, which is used');
  if (problem !== undefined) lines.push(`  cannot be used: ${printable(problem)}`);
  if (speed !== undefined) {
    lines.push(
      `  compresses ${perSecond(speed.compressBytesPerSecond)}${inKernels(speed.compressKernelBytesPerSecond)}, ratio ` +
        `${speed.ratio.toFixed(2)} on ${roundSize(speed.sampleBytes)} of programs`,
      `  decompresses ${perSecond(speed.decompressBytesPerSecond)}${inKernels(speed.decompressKernelBytesPerSecond)}`,
    );
  }
  return lines;
}

function perSecond(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(bytesPerSecond < 1e7 ? 1 : 0)} MB/s`;
}

function inKernels(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? '' : ` (kernels alone ${perSecond(bytesPerSecond)})`;
}
