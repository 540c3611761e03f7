/** LVM activates no volume with this flag by itself (lvchange --setautoactivation n; LVM 2.03.12 and later). */
const NO_AUTOACTIVATION = 'NOAUTOACTIVATE';

/**
 * LVM's metadata text of a group, with some of its volumes marked so that no boot activates them, as a change of its own:
 * the sequence number moves by one. The text is LVM's configuration syntax as it writes it, one word of structure a line
 * (lib/format_text/export.c).
 * @param names of volumes
 * @returns undefined if one of them is not found as LVM writes it
 */
export function withoutAutoactivation(text: string, names: ReadonlySet<string>): string | undefined {
  const sections: string[] = [];
  const marked = new Set<string>();
  let hasNumber = false;
  const lines = text.split('\n').map((line) => {
    const opened = /^\s*([\w.+-]+) \{$/.exec(line)?.[1];
    if (opened !== undefined) sections.push(opened);
    else if (/^\s*\}$/.test(line)) sections.pop();
    const number = sections.length === 1 ? /^(\s*seqno = )(\d+)$/.exec(line) : null;
    if (number !== null) {
      hasNumber = true;
      return `${number[1]}${Number(number[2]) + 1}`;
    }
    const [, section, name = ''] = sections;
    const flags = sections.length === 3 ? /^(\s*flags = \[)(.*)\]$/.exec(line) : null;
    if (flags === null || section !== 'logical_volumes' || !names.has(name)) return line;
    marked.add(name);
    const others = flags[2] === undefined || flags[2] === '' ? [] : flags[2].split(', ');
    return `${flags[1]}${[...new Set([...others, `"${NO_AUTOACTIVATION}"`])].join(', ')}]`;
  });
  return hasNumber && marked.size === names.size ? lines.join('\n') : undefined;
}
