import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** docs/promises.md quotes tests so: `test/ROOM/FILE.ts` “name”, “name”. What a name is given by its loop is quoted as "…". */
const QUOTED = /`(test\/[^`]+\.ts)`((?:,? “[^”]+”)*)/g;
const NAME = /“([^”]+)”/g;
/** The first argument of test(...), as it is written: '...', "..." or `...`. */
const TITLE = /\btest\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g;
const FROM_LOOP = /\$\{(?:[^{}]|\{[^{}]*\})*\}/g;

const promises = readFileSync('docs/promises.md', 'utf8').replaceAll(/\s+/g, ' ');

interface Quoted {
  file: string;
  names: string[];
}

function quotedTests(text: string): Quoted[] {
  return [...text.matchAll(QUOTED)].map(([, file = '', names = '']) => ({
    file,
    names: [...names.matchAll(NAME)].map(([, name = '']) => name),
  }));
}

function titlesOf(source: string): Set<string> {
  return new Set(
    [...source.matchAll(TITLE)].map(([, single, double, template]) =>
      (single ?? double ?? (template ?? '').replaceAll(FROM_LOOP, '…')).replaceAll(/\\(.)/g, '$1'),
    ),
  );
}

/** @returns what is quoted and is not there, in words */
function stale(quoted: readonly Quoted[]): string[] {
  return quoted.flatMap(({ file, names }) => {
    if (!existsSync(file)) return [`there is no ${file}`];
    const titles = titlesOf(readFileSync(file, 'utf8'));
    return names.filter((name) => !titles.has(name)).map((name) => `${file} has no test “${name}”`);
  });
}

test('every test that docs/promises.md quotes exists', () => {
  const quoted = quotedTests(promises);
  assert.ok(quoted.length > 50, `${quoted.length} files are quoted`);
  assert.deepEqual(stale(quoted), []);
});

test('a test or a file that is quoted and not there is found', () => {
  const here = 'test/docs/promises.test.ts';
  assert.deepEqual(stale(quotedTests(`\`${here}\` “a test or a file that is quoted and not there is found”`)), []);
  assert.deepEqual(stale(quotedTests(`\`${here}\` “never written”; \`test/docs/gone.ts\` “x”`)), [
    `${here} has no test “never written”`,
    'there is no test/docs/gone.ts',
  ]);
  const source = 'test(`a $' + "{f({ b: 1 })} c`, x); test(\n  \"d's\", y); test('e\\'s', z)";
  assert.deepEqual([...titlesOf(source)], ['a … c', "d's", "e's"]);
});

test('docs/promises.md quotes no test without its file, and no file of tests without a test', () => {
  const quoted = quotedTests(promises);
  const names = quoted.flatMap((one) => one.names);
  assert.deepEqual(
    [...promises.matchAll(NAME)].map(([, name]) => name),
    names,
  );
  const simulator = 'test/vzdump/simulator.ts';
  assert.deepEqual(
    quoted.filter((one) => one.names.length === 0).map(({ file }) => file),
    [simulator],
  );
});

test('each promise has tests, or says what shows it, or that nothing does', () => {
  const items = readFileSync('docs/promises.md', 'utf8')
    .split(/^(?=- |## )/m)
    .filter((part) => part.startsWith('- '));
  assert.ok(items.length > 30, `${items.length} promises`);
  for (const item of items) assert.match(item, /`test\/|`scripts\/test-vm`|\*\*not tested\*\*/, item);
});
