/** The little of HTML and SVG that the page needs. Everything comes out escaped and well-formed. */

/** Markup that is safe to put into a page: only the functions of this file make it. */
export type Markup = string & { readonly isMarkup: unique symbol };

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Characters that neither HTML nor XML has a place for, and those that turn the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;

/** Text as it is shown. */
export function text(words: string): Markup {
  return words.replace(FORBIDDEN, '\ufffd').replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '') as Markup;
}

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Numbers are rounded to a tenth, of a pixel mostly. An attribute that is undefined is left out. */
export function element(name: string, attributes: Attributes, ...content: readonly Markup[]): Markup {
  const written = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined
      ? []
      : [` ${key}="${text(String(typeof value === 'number' ? Math.round(value * 10) / 10 : value))}"`],
  );
  const open = `<${name}${written.join('')}>`;
  return (VOID.has(name) ? open : `${open}${content.join('')}</${name}>`) as Markup;
}

const VOID = new Set(['meta', 'br']);

export function join(parts: readonly Markup[], between = ''): Markup {
  return parts.join(between) as Markup;
}

/** Text that has no place for any markup: a style sheet of ours. */
export function style(sheet: string): Markup {
  return `<style>${sheet}</style>` as Markup;
}

/** The whole file. */
export function htmlDocument(head: readonly Markup[], body: readonly Markup[], mark: string): string {
  return `<!doctype html>\n<!-- ${mark} -->\n<html lang="en">\n<head>\n${join(head, '\n')}\n</head>\n<body>\n${join(body, '\n')}\n</body>\n</html>\n`;
}
