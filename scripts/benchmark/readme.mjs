import { asMarkdown, explanation, introduction } from './table.mjs';

const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';

/**
 * Puts text between the markers; the same text again changes nothing.
 * @throws Error if there is not exactly one of each marker, in order
 */
export function replaceSection(readme, text) {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  const isOnce = begin !== -1 && begin === readme.lastIndexOf(BEGIN) && end === readme.lastIndexOf(END) && end > begin;
  if (!isOnce) throw new Error(`README.md needs one line ${BEGIN} and behind it one line ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n${text.trim()}\n${readme.slice(end)}`;
}

/**
 * @param results
 * @param {{ saving: string | undefined, restoring: string | undefined, raw: string | undefined }} files as the README
 *   links to them; undefined where there is none
 */
export function section(results, { saving, restoring, raw }) {
  const images = [
    ...(saving === undefined
      ? []
      : [image(saving, 'Throughput against compression ratio of saving: the table below as a chart')]),
    ...(restoring === undefined ? [] : [image(restoring, 'Throughput of restoring: the table below as a chart')]),
  ];
  const rawLink = raw === undefined ? '' : ` Every single number of this run: [${raw.split('/').at(-1)}](${raw}).`;
  return `## How fast

${images.join('\n\n')}

${introduction(results).join('\n\n')}

${asMarkdown(results)}

${explanation(results)
  .map((line) => escapeNote(line))
  .join('\n\n')}

To measure it yourself (about an hour on two processors; \`--size 1024 --runs 3\` takes a quarter of it), on a disk that it
makes, or on one of yours, which it only reads:

    ./scripts/bench
    ./scripts/bench /dev/sdb --work /mnt/scratch

${rawLink.trim()}`;
}

/** A line that begins with a number in brackets would be taken for a link's target. */
function escapeNote(line) {
  return line.replace(/^\[(\d+)\]/, '\\[$1\\]');
}

function image(file, alt) {
  return `<img src="${file}" alt="${alt}">`;
}
