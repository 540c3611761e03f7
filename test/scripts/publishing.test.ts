import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { directory } from '../cli/program.js';
import { benchmark, sampleResults } from './benchmark.js';
import { elementsOf, textsOf } from './xml.js';

const { asMarkdown, asText, introduction } = await benchmark('table');
const { replaceSection, section } = await benchmark('readme');
const { failedRows, readResults, resultsName, writeResults } = await benchmark('results');
const { savingChart } = await benchmark('saving-chart');
const { restoringChart } = await benchmark('restoring-chart');
const { overlap, placeLabels } = await benchmark('place-labels');

test('the table has a line for each row, with its figures', async () => {
  const lines: string[] = asMarkdown(await sampleResults()).split('\n');
  assert.equal(lines.length, 2 + 10);
  const cells = lines.map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
  assert.deepEqual([...new Set(cells.map(({ length }) => length))], [cells[0]?.length]);
  assert.deepEqual(cells[2]?.slice(1, 7), ['save gzip 6', '**Lifeboat**', '4.00 (3.00–5.00)', '268', '1.00', '3.579']);
  assert.equal(cells[2]?.[10], '50 %, the codec');
  assert.deepEqual(cells[3]?.slice(2, 6), ['pigz -6', '9.00 (8.00–10.0)', '119', '2.25']);
  assert.match(lines[7] ?? '', /partclone \\\| zstd -3/);
});

test('a row that failed has no figures, and is told of', async () => {
  const results = await sampleResults();
  assert.match(asMarkdown(results), /\| pigz -1 \| failed \|( – \|){7}/);
  assert.match(asText(results), /^FAILED: save gzip 1: pigz -1: pigz: no <space> & "left"$/m);
  assert.deepEqual(failedRows(results), ['save gzip 1: pigz -1: pigz: no <space> & "left"']);
});

test('what was left out, and that only a part was taken, is said', async () => {
  const text = asText(await sampleResults());
  assert.match(text, /save xz 1 \[1\]/);
  assert.match(text, /^\[1\] the first 512 MiB only$/m);
  assert.match(text, /^Left out: save gzip 1: igzip -1, for igzip is not installed\.$/m);
});

test('a disk that bounds every row is said first', async () => {
  assert.match(
    introduction(await sampleResults({ read: 90, write: 1, codec: 1 }))[0],
    /^Every row is bound by the disk/,
  );
  assert.doesNotMatch(introduction(await sampleResults()).join('\n'), /bound by the disk/);
});

test('README.md gets its section between the markers, and the same again changes nothing', async () => {
  const results = await sampleResults();
  const files = { saving: 'bench/charts/saving.svg', restoring: undefined, raw: 'bench/results/x.json' };
  const before = 'a\n<!-- bench:begin -->\nformer words\n<!-- bench:end -->\nz\n';
  const once = replaceSection(before, section(results, files));
  assert.match(once, /^a\n<!-- bench:begin -->\n## How fast\n/);
  assert.match(once, /<img src="bench\/charts\/saving\.svg" alt="[^"]+">/);
  assert.match(once, /\[x\.json\]\(bench\/results\/x\.json\)/);
  assert.ok(once.endsWith('\n<!-- bench:end -->\nz\n') && !once.includes('former words'));
  assert.equal(replaceSection(once, section(results, files)), once);
});

test('a README without exactly one pair of markers is left alone', () => {
  const marker = (name: string) => `<!-- bench:${name} -->`;
  for (const readme of [
    '',
    marker('begin'),
    `${marker('end')}${marker('begin')}`,
    `${marker('begin')}${marker('begin')}${marker('end')}`,
  ]) {
    assert.throws(() => replaceSection(readme, 'x'), /needs one line/);
  }
});

test('README.md has the markers', () => {
  const readme = readFileSync('README.md', 'utf8');
  assert.match(replaceSection(readme, 'new words'), /\nnew words\n/);
});

test('results are named by date, processor and cores, and never replace others', async (t) => {
  const results = await sampleResults();
  assert.equal(resultsName(results, 1), '2031-02-03-some-cpu-9000-3-ghz-2.json');
  const place = join(directory(t), 'results');
  const first = await writeResults(place, results);
  const bytes = readFileSync(first);
  const second = await writeResults(place, { ...results, runs: 4 });
  const third = await writeResults(place, results);
  assert.equal(new Set([first, second, third]).size, 3);
  assert.deepEqual(readFileSync(first), bytes);
  assert.deepEqual(await readResults(first), JSON.parse(JSON.stringify(results)));
  await assert.rejects(readResults(join(place, 'none.json')), /Cannot read results/);
});

test('charts are well-formed, label every row once, and no label lies over another', async () => {
  const results = await sampleResults();
  for (const [svg, labels] of [
    [savingChart(results), ['gzip 6', 'pigz -6', 'gzip 1', 'zstd 3', 'partclone | zstd -3', 'xz 1 *', 'xz -1 *']],
    [restoringChart(results), ['Lifeboat', 'igzip -d']],
  ] as const) {
    const elements = elementsOf(svg);
    assert.equal(elements[0]?.name, 'svg');
    const texts = textsOf(svg);
    for (const label of labels) assert.equal(texts.filter((text) => text === label).length, 1, label);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
    assert.match(svg, /prefers-color-scheme: dark/);
  }
});

test('a chart of nothing is none, and one of a single row is drawn', async () => {
  const results = await sampleResults();
  assert.equal(savingChart({ ...results, comparisons: [] }), undefined);
  assert.equal(restoringChart({ ...results, comparisons: [] }), undefined);
  elementsOf(savingChart({ ...results, comparisons: results.comparisons.slice(0, 1) }));
});

test('labels of a crowd keep clear of each other, of all points and of the edge', () => {
  const frame = { left: 0, top: 0, right: 700, bottom: 400 };
  const points = Array.from({ length: 22 }, (_, index) => ({
    x: 20 + ((index * 97) % 660),
    y: 30 + ((index * 53) % 120),
    width: 70,
  }));
  const lines = points.slice(1).map((to, index) => ({ from: points[index], to }));
  const boxes = placeLabels(points, lines, frame);
  assert.equal(boxes.filter(Boolean).length, points.length);
  for (const [index, box] of boxes.entries()) {
    assert.ok(box.left >= 0 && box.right <= 700 && box.top >= 0 && box.bottom <= 400);
    for (const other of boxes.slice(index + 1)) assert.equal(overlap(box, other), false);
    for (const { x, y } of points) assert.ok(!(x > box.left && x < box.right && y > box.top && y < box.bottom));
  }
});
