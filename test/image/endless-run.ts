import { ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { runImage } from '../../src/image/image.js';
import { imageOptions } from './image-options.js';

/**
 * A program of its own: images a source that goes on for longer than anybody waits, one file read over and over.
 * `node endless-run.js DIRECTORY FILE FILE_BYTES`
 */
const [directory = '', file = '', length = ''] = process.argv.slice(2);
const fileBytes = Number(length);
const TIMES = 256;

const sparse = join(directory, `endless-${process.pid}`);
ftruncateSync(openSync(sparse, 'w'), TIMES * fileBytes);
const fd = openSync(file, 'r');
const extents = Array.from({ length: TIMES }, (_, at) => ({
  kind: 'data' as const,
  offset: at * fileBytes,
  length: fileBytes,
  from: { fd, directFd: undefined, path: file, offset: 0 },
}));

void runImage(
  imageOptions({ source: sparse, out: '/dev/null', yields: true, known: { extents, consistency: 'still' } }),
  {
    warn: (text) => void process.stderr.write(`${text}\n`),
    detail: (text) => void process.stderr.write(`${text}\n`),
    follow(_phase, snapshot) {
      const timer = setInterval(() => process.stdout.write(`${snapshot().doneBytes}\n`), 500);
      return () => clearInterval(timer);
    },
  },
);
