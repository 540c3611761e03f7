const LONGEST_WORD_CHARACTERS = 75;
const BEFORE = '=?UTF-8?B?';
const AFTER = '?=';
/** Base64 makes four characters of three bytes. */
const MOST_WORD_BYTES = Math.floor((LONGEST_WORD_CHARACTERS - BEFORE.length - AFTER.length) / 4) * 3;

/**
 * A header's value in ASCII: as it is, or as encoded words (RFC 2047), none longer than 75 characters and none cut inside a
 * character. What joins them disappears when they are decoded.
 * @param text one line
 * @param between ' ' in HTTP; '\n ' in mail, where a header's line has its limit
 */
export function encodeHeader(text: string, between: ' ' | '\n '): string {
  // A plain text that reads as an encoded word would be decoded too.
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes('=?')) return text;
  const words: string[] = [];
  let piece: string[] = [];
  let pieceBytes = 0;
  const close = () => {
    words.push(BEFORE + Buffer.from(piece.join('')).toString('base64') + AFTER);
    piece = [];
    pieceBytes = 0;
  };
  for (const character of text) {
    const bytes = Buffer.byteLength(character);
    if (pieceBytes + bytes > MOST_WORD_BYTES) close();
    piece.push(character);
    pieceBytes += bytes;
  }
  close();
  return words.join(between);
}
