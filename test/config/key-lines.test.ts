import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { type KeyPath, keyLines } from '../../src/config/key-lines.js';

describe('keyLines', () => {
  const shapes: [what: string, text: string, path: KeyPath, line: number][] = [
    ['a key at the top', '\n# x = 1\nx = 2', ['x'], 3],
    ['a key in a table', '[boot]\n\nto = "/a"', ['boot', 'to'], 3],
    ['a table', 'x = 1\n[boot]\nto = 2', ['boot'], 2],
    ['a table in a table', '[a.b]\n  c = 1', ['a', 'b', 'c'], 2],
    ['a table that only its inner one names', '\n[a.b]', ['a'], 2],
    ['the second table of an array', '[[n]]\nt = 1\n[[n]]\nt = 2', ['n', 1, 't'], 4],
    ['a table in the last of an array', '[[n]]\n[[n]]\n[n.s]\nx = 1', ['n', 1, 's', 'x'], 4],
    ['an array in the last of an array', '[[n]]\n[[n.m]]\n[[n]]\n[[n.m]]\n[[n.m]]\nx = 1', ['n', 1, 'm', 1, 'x'], 6],
    ['a dotted key', '[a]\nb . c\t. d = 1', ['a', 'b', 'c', 'd'], 2],
    ['what a dotted key names on the way', '\na.b.c = 1', ['a', 'b'], 2],
    ['a key in quotation marks', '"a.b" = 1\n"c\\u0064 # [" = 2', ['cd # ['], 2],
    ['a key in apostrophes', "'a\"b' = 1\n'= \\' = 2", ['= \\'], 2],
    ['an empty key', 'a = 1\n"" = 2', [''], 2],
    ['an element of a list', 'a = [\n  1, # [\n  "]",\n  3,\n]', ['a', 2], 4],
    ['an element of a list in a list', 'a = [[1], [\n2, 3]]', ['a', 1, 1], 2],
    ['a key in an inline table', '\na = { b = 1, c.d = "}" }', ['a', 'c', 'd'], 2],
    ['a key in an inline table in a list', 'a = [ { b = 1 },\n { b = 2 } ]', ['a', 1, 'b'], 2],
    ['what follows a long text', 'a = """\n[b]\n\\""" x = 1""\n"""\nx = 2', ['x'], 5],
    ['what follows a long text that ends in quotation marks', 'a = """b"""""\nx = 2', ['x'], 2],
    ['what follows a long text in apostrophes', "a = '''\nx = 1 ''\n'''''\nx = 2", ['x'], 4],
    ['what follows empty texts', 'a = ""\nb = \'\'\nc = """"""\nx = 2', ['x'], 4],
    ['what follows a date and a number', 'a = 1979-05-27 07:32:00 # x = 1\nb = 1e+5\nx = 2', ['x'], 3],
    ['lines that end as on Windows', 'a = 1\r\n[b]\r\nx = 2\r\n', ['b', 'x'], 3],
  ];
  for (const [what, text, path, line] of shapes) {
    test(`finds ${what}`, () => {
      parse(text);
      assert.equal(keyLines(text).exactly(path), line);
    });
  }

  test('what is not there has no line, and is nearest to what is around it', () => {
    const lines = keyLines('x = 1\n[boot]\nto = "/a"\n[[notify]]\ntype = "mail"\n');
    assert.equal(lines.exactly(['boot', 'disk']), undefined);
    assert.equal(lines.exactly(['boot', 'to', 'x']), undefined);
    assert.equal(lines.nearest(['boot', 'disk']), 2);
    assert.equal(lines.nearest(['notify', 0, 'url']), 4);
    assert.equal(lines.nearest(['hook', 'x']), 1);
    assert.equal(keyLines('').nearest(['x']), 1);
  });

  test('finds the line of each statement of any document', () => {
    fc.assert(
      fc.property(fc.array(STATEMENT, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), (statements, newline) => {
        const { text, expected } = documentOf(statements, newline);
        parse(text);
        const lines = keyLines(text);
        for (const [path, line] of expected)
          assert.equal(lines.exactly(path), line, `${JSON.stringify(path)} in ${text}`);
      }),
      { numRuns: 500 },
    );
  });

  test('finds every key that smol-toml finds', () => {
    fc.assert(
      fc.property(fc.array(STATEMENT, { maxLength: 12 }), (statements) => {
        const { text } = documentOf(statements, '\n');
        const lines = keyLines(text);
        for (const path of pathsIn(parse(text))) assert.ok(lines.exactly(path), `${JSON.stringify(path)} in ${text}`);
      }),
      { numRuns: 500 },
    );
  });
});

interface Statement {
  kind: 'key' | 'table' | 'array';
  /** How its key is written. */
  style: (name: string) => string;
  value: string;
  before: string;
  behind: string;
  isDotted: boolean;
}

const STATEMENT: fc.Arbitrary<Statement> = fc.record({
  kind: fc.constantFrom('key', 'key', 'key', 'table', 'array'),
  style: fc.constantFrom(
    (name: string) => name,
    (name: string) => `"${name}"`,
    (name: string) => `'${name}'`,
    (name: string) => `"\\u006b${name.slice(1)}"`,
  ),
  value: fc.constantFrom(
    '1',
    '-1.5e3',
    'true',
    '1979-05-27 07:32:00',
    '"# [x] = \\" \\\\"',
    "'\\'",
    '""',
    '"""\nk1 = 1\n[k2]\n\\""" ""\n"""',
    "'''\n[[k3]]\n'' '''",
    '[ 1, [ "]" ], { k1 = 1, "k 2".x = [] } ]',
    '[\n  "a", # ] k1 = 2\n  # [\n\n  "b",\n]',
    '{ k1 = { k2 = "}" }, k3 = [ 1 ] }',
    '{}',
    '[]',
  ),
  before: fc.constantFrom('', '', '\n', '# [k9]\n', '  \t\n\n', '  '),
  behind: fc.constantFrom('', ' # k8 = 1', '\t'),
  isDotted: fc.boolean(),
});

/** Every statement has a name of its own, so that whatever comes is TOML. */
function documentOf(
  statements: readonly Statement[],
  newline: string,
): { text: string; expected: [KeyPath, number][] } {
  let text = '';
  let table: KeyPath = [];
  let arrays = 0;
  const expected: [KeyPath, number][] = [];
  for (const [index, { kind, style, value, before, behind, isDotted }] of statements.entries()) {
    text += before;
    const line = text.split('\n').length;
    const name = `k${index + 10}`;
    const written = isDotted ? `${style(name)} . ${style('kk')}` : style(name);
    const own: KeyPath = isDotted ? [name, 'kk'] : [name];
    if (kind === 'key') {
      text += `${written} = ${value}${behind}\n`;
      expected.push([[...table, ...own], line]);
    } else if (kind === 'table') {
      text += `[ ${written} ]${behind}\n`;
      table = own;
      expected.push([own, line]);
    } else {
      text += `[[list]]${behind}\n`;
      table = ['list', arrays++];
      expected.push([table, line]);
    }
  }
  return { text: text.replaceAll('\n', newline), expected };
}

function pathsIn(value: unknown, path: KeyPath = []): KeyPath[] {
  const below = Array.isArray(value)
    ? value.map((each, index): [number, unknown] => [index, each])
    : typeof value === 'object' && value !== null && !(value instanceof Date)
      ? Object.entries(value)
      : [];
  return below.flatMap(([key, each]) => [[...path, key], ...pathsIn(each, [...path, key])]);
}
