/** Pieces of Markdown that is read raw, on a console, as often as rendered. */

/** Text from a host: on one line, with nothing in it that Markdown or a terminal would take for its own. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').replace(/[\\`*_<>|[\]]/g, (sign) => `\\${sign}`);
}

/** A name, a path, an identifier. */
export function code(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replace(/[\u0000-\u001f\u007f]+/g, ' ');
  return line.includes('`') ? `\`\` ${line} \`\`` : `\`${line}\``;
}

/** Lines to type, or of a file. */
export function block(lines: readonly string[]): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return lines.map((line) => `    ${line.replace(/[\u0000-\u001f\u007f]+/g, ' ')}`.trimEnd()).join('\n');
}

/** Cells are Markdown already. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, at) => (row[at] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(heads), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

export function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

/** A command, and beside it what it is for. */
export function command(line: string, comment: string): string {
  return `${line.padEnd(COMMENT_COLUMN)} # ${comment}`;
}

const COMMENT_COLUMN = 46;
/** Of the console of a live system. */
const WIDTH = 80;

/**
 * Breaks paragraphs and list items into lines that a console shows whole. Headings, tables and what is set in stay as they
 * are, and so does what stands between backticks, for it is copied.
 */
export function wrap(text: string): string {
  const lines: string[] = [];
  let paragraph = '';
  const flush = () => {
    if (paragraph !== '') lines.push(...wrapParagraph(paragraph));
    paragraph = '';
  };
  for (const line of text.split('\n')) {
    const stays = line === '' || /^( {4}|\||#)/.test(line);
    if (stays || line.startsWith('- ')) flush();
    if (stays) lines.push(line);
    else paragraph = paragraph === '' ? line : `${paragraph} ${line}`;
  }
  flush();
  return lines.join('\n');
}

function wrapParagraph(paragraph: string): string[] {
  const indent = paragraph.startsWith('- ') ? '  ' : '';
  const words = paragraph.match(/(?:`[^`]*`|[^\s`])+/g) ?? [];
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line === '') line = word;
    else if (line.length + 1 + word.length <= WIDTH) line += ` ${word}`;
    else {
      lines.push(line);
      line = indent + word;
    }
  }
  return [...lines, line];
}
