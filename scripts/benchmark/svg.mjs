/** The little of SVG that the charts need. Everything comes out escaped and well-formed. */

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
// XML 1.0 has no place for these at all, escaped or not.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** An image in `<img>` sees the reader's colour scheme; what does not know of one gets the light colours. */
const STYLE = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.quiet { font-size: 12px; fill: #59636e }
.ground { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #e4e8ec }
.axis { stroke: #818b98 }
.ours { fill: #0969da; stroke: #0969da }
.theirs { fill: #bc4c00; stroke: #bc4c00 }
.path { fill: none; stroke-width: 1.5; stroke-opacity: 0.55 }
text.ours, text.theirs { stroke: none; font-size: 12px }
text.ours { font-weight: 600 }
.leader { stroke-width: 1; stroke-opacity: 0.6 }
.whisker { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .ground { fill: #0d1117; stroke: #3d444d }
  .grid { stroke: #262c36 }
  .axis { stroke: #656c76 }
  .ours { fill: #4493f8; stroke: #4493f8 }
  .theirs { fill: #f0883e; stroke: #f0883e }
  .path { fill: none }
  .whisker { stroke: #f0f6fc }
}
`;

export function escapeXml(text) {
  return String(text)
    .replace(FORBIDDEN, '')
    .replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

/** @param {Record<string, string | number | undefined>} attributes numbers are rounded to a tenth of a pixel */
export function element(name, attributes, content = '') {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeXml(typeof value === 'number' ? Math.round(value * 10) / 10 : value)}"`);
  return content === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${content}</${name}>`;
}

export function text(x, y, words, { kind, anchor } = {}) {
  return element('text', { x, y, class: kind, 'text-anchor': anchor }, escapeXml(words));
}

export function line(from, to, kind) {
  return element('line', { x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: kind });
}

/** @param {string[]} parts of it, as elements */
export function document(width, height, title, parts) {
  const ground = element('rect', { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, class: 'ground' });
  const content = [element('title', {}, escapeXml(title)), element('style', {}, escapeStyle(STYLE)), ground, ...parts];
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
  };
  return `${element('svg', attributes, `\n${content.join('\n')}\n`)}\n`;
}

function escapeStyle(style) {
  return style.replace(/[&<]/g, (character) => ESCAPES[character]);
}

/** How wide words are drawn at most, in pixels: no font is at hand to ask. */
export function textWidth(words, fontPixels = 12) {
  return [...words].length * fontPixels * 0.6;
}
