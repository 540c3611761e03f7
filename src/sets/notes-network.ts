import { block, code, command, plain, table } from './markdown.js';
import type { NotesFacts } from './notes-facts.js';
import { shellWord } from './stock-tools.js';

/** Of a long file nobody changes more lines by hand. */
const MOST_LINES = 40;

/** The part of RECOVERY.md about network cards: on other hardware they have other names. */
export function networkSection({ host }: NotesFacts): string {
  const title = '## 8. The network, on other hardware';
  const cards = host.network.filter(({ kind }) => kind === 'physical');
  if (host.network.length === 0) return `${title}\n\nNo interface could be read on this host: \`ip addr\`.`;
  const rows = host.network.map(({ name, kind, mac, addresses, master, slot, driver }) => [
    code(name),
    kind === 'physical' ? plain([driver, slot].filter((text) => text !== undefined).join(', ')) || 'card' : kind,
    code(mac),
    addresses.length === 0 ? '' : addresses.map(code).join(', '),
    master === undefined ? '' : code(master),
  ]);
  const lines = linesToChange(
    host.networkFiles,
    cards.flatMap(({ name, mac }) => [name, mac]),
  );
  const [first] = cards;
  return `${title}

Names of network cards come from the slot they are in, or from their MAC. In another machine, or with another card, these names
do not exist any more, and **the host comes up without a network**: go to its console.

${table(['name', 'what', 'MAC', 'addresses', 'in'], rows)}

The lines that name them:

${lines.length === 0 ? 'None was found.' : block(lines)}

Find the new names, put them in place of the old ones, and start the network anew:

${block([
  command('ip -br link', 'the cards that are there now'),
  ...(first === undefined
    ? []
    : [
        `OLD=${shellWord(first.name)}; NEW=enpXsY`,
        command('sed -i.before "s/\\b$OLD\\b/$NEW/g" /etc/network/interfaces', 'for each of them'),
      ]),
  'ifreload -a || systemctl restart networking',
])}

A .link file above that matches a MAC (\`MACAddress=\`) wants the MAC of the new card; \`update-initramfs -u -k all\` afterwards.`;
}

/** "FILE:LINE: text" for every line that has one of the words in it. */
function linesToChange(files: NotesFacts['host']['networkFiles'], words: readonly string[]): string[] {
  const wanted = words.filter((word) => word !== '').map((word) => word.toLowerCase());
  const found = files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const parts = line.toLowerCase().split(/[^a-z0-9:]+/);
      const isComment = line.trimStart().startsWith('#');
      const has = wanted.some((word) => parts.some((part) => part === word || part.startsWith(`${word}:`)));
      return has && !isComment ? [`${path}:${index + 1}: ${line.trim()}`] : [];
    }),
  );
  if (found.length <= MOST_LINES) return found;
  return [...found.slice(0, MOST_LINES), `... and ${found.length - MOST_LINES} more`];
}
