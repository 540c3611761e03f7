import assert from 'node:assert/strict';

export interface Element {
  name: string;
  attributes: Record<string, string>;
  depth: number;
}

const NAME = '[A-Za-z_][A-Za-z0-9_.:-]*';
const TAG = new RegExp(`<(/?)(${NAME})((?:\\s+${NAME}="[^"<]*")*)\\s*(/?)>`, 'y');
const TEXT = /[^<]+/y;
const REFERENCE = /&(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);/g;

/**
 * The elements of XML that has neither comments nor declarations. Stricter than a browser: fails the test at anything that
 * is not well-formed.
 */
export function elementsOf(xml: string): Element[] {
  const open: string[] = [];
  const elements: Element[] = [];
  for (let at = 0; at < xml.length; ) {
    TAG.lastIndex = at;
    TEXT.lastIndex = at;
    const tag = TAG.exec(xml);
    const found = tag ?? TEXT.exec(xml);
    assert.ok(found !== null, `no XML at ${at}: ${xml.slice(at, at + 60)}`);
    at += found[0].length;
    if (tag === null) {
      assert.ok(open.length > 0 || found[0].trim() === '', `words outside of the root: ${found[0]}`);
      checkWords(found[0]);
      continue;
    }
    const [, isEnd, name = '', attributes = '', isEmpty] = tag;
    if (isEnd) {
      assert.equal(open.pop(), name, `</${name}> ends another element`);
      continue;
    }
    assert.ok(open.length > 0 || elements.length === 0, `a second root: ${name}`);
    elements.push({ name, attributes: readAttributes(attributes), depth: open.length });
    if (!isEmpty) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.ok(elements.length > 0);
  return elements;
}

/** What the text elements say, with references resolved. */
export function textsOf(xml: string): string[] {
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return [...xml.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, words = '']) =>
    words.replace(/&(\w+);/g, (whole, name: string) => names[name] ?? whole),
  );
}

function readAttributes(text: string): Record<string, string> {
  const pairs = [...text.matchAll(new RegExp(`(${NAME})="([^"]*)"`, 'g'))];
  for (const [, , value = ''] of pairs) checkWords(value);
  const attributes = Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
  assert.equal(Object.keys(attributes).length, pairs.length, `an attribute twice: ${text}`);
  return attributes;
}

function checkWords(words: string): void {
  assert.ok(!words.replace(REFERENCE, '').includes('&'), `a bare & in: ${words}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 forbids them
  assert.doesNotMatch(words, /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
}
