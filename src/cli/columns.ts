/** Lines of text in columns; the last column is not filled up. */
export function columns(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) => `${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

/** Names from where others may write: nothing in them reaches the terminal as a command. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
