// The main job on a real disk, step by step, for a person to watch. Run it through scripts/try.
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { $, argv, echo } from 'zx';

const MIB = 1024 * 1024;
const SAMPLE_MIB = 512;
const FILL = 0.8;
const STOCK = { pigz: 'gzip', zstd: 'zstd', lz4: 'lz4' };
const lifeboat = path.resolve('bin/lifeboat');

process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
$.verbose = false;

const work = await mkdtemp(path.join(os.tmpdir(), 'lifeboat-try.'));
process.exitCode = 1;
try {
  const source = argv._[0] ?? (await makeDisk(path.join(work, 'disk.img')));
  await tryAll(source);
  process.exitCode = 0;
} catch (error) {
  echo(`FAILED: ${error.stderr || error.message}`);
} finally {
  await rm(work, { recursive: true, force: true });
}

/** An ext4 file system with this machine's own files in it, and some room that is free. */
async function makeDisk(file) {
  echo(`Making a disk of ${SAMPLE_MIB} MiB from this machine's own files ...`);
  const tree = path.join(work, 'tree');
  await $`mkdir ${tree}`;
  const listed = await $`find /usr/bin /usr/lib /usr/share -xdev -type f -size -40M -printf ${'%s %P\t%p\n'}`.nothrow();
  let left = SAMPLE_MIB * MIB * FILL;
  const names = [];
  for (const line of listed.stdout.split('\n').sort()) {
    const [facts, name] = line.split('\t');
    if (name === undefined) continue;
    left -= Number(facts.split(' ')[0]) + 4096;
    if (left < 0) break;
    names.push(name.slice(1));
  }
  await $({ input: names.join('\n'), cwd: '/' })`cpio -pdm --quiet ${tree}`.nothrow();
  await $`mke2fs -q -F -t ext4 -m 0 -d ${tree} ${file} ${SAMPLE_MIB}M`;
  await $`rm -rf ${tree}`;
  return file;
}

async function tryAll(source) {
  const rows = [];
  let bytes = 0;
  for (const [codec, stock] of Object.entries(STOCK)) {
    const image = path.join(work, `disk.${codec}`);
    const back = path.join(work, 'restored.img');
    echo(`\n${codec}: image, verify, restore, compare, and decode with ${stock}`);
    const saved = await run('image', source, '-o', image, '-c', codec);
    const verified = await run('verify', image);
    const restored = await run('restore', image, '-o', back);
    await $`cmp ${source} ${back}`;
    await rm(back);
    await $`set -o pipefail; ${stock} -dc < ${image} | cmp - ${source}`;
    bytes = saved.answer.source.sizeBytes;
    rows.push([
      codec,
      ...[saved, verified, restored].flatMap(({ seconds }) => [seconds.toFixed(2), (bytes / seconds / 1e6).toFixed(0)]),
      saved.answer.image.ratio.toFixed(2),
      saved.answer.timing.bottleneck,
    ]);
    await rm(image);
  }
  echo(`\n${source}, ${(bytes / MIB).toFixed(0)} MiB, ${os.availableParallelism()} processors:`);
  print([['codec', 'image s', 'MB/s', 'verify s', 'MB/s', 'restore s', 'MB/s', 'ratio', 'bottleneck'], ...rows]);
  echo('\nEvery copy that came back is the same byte for byte, from lifeboat and from the stock tools.');
}

async function run(...args) {
  const start = performance.now();
  const { stdout } = await $`${lifeboat} ${args} --json`;
  return { answer: JSON.parse(stdout), seconds: (performance.now() - start) / 1000 };
}

function print(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) echo(row.map((cell, column) => cell.padStart(widths[column])).join('  '));
}
