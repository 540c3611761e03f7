/** Characters, without the line's end (RFC 2045, 6.7). */
const LONGEST_LINE = 76;

/** UTF-8 text with `\n` as quoted-printable, so that no mail server has to change it, however long its lines are. */
export function encodeQuotedPrintable(text: string): string {
  return text.split('\n').map(encodeLine).join('\n');
}

function encodeLine(text: string): string {
  const bytes = Buffer.from(text);
  const lines: string[] = [];
  let line = '';
  for (const [i, byte] of bytes.entries()) {
    const isLast = i === bytes.length - 1;
    const isBlank = byte === 0x20 || byte === 0x09;
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x3d;
    const encoded =
      isPlain || (isBlank && !isLast)
        ? String.fromCharCode(byte)
        : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    // One place is kept for the `=` that says that the line goes on.
    if (line.length + encoded.length > LONGEST_LINE - (isLast ? 0 : 1)) {
      lines.push(`${line}=`);
      line = '';
    }
    line += encoded;
  }
  return [...lines, line].join('\n');
}
