import { LifeboatError } from '../error.js';

/** The cluster a host belongs to. */
export interface Cluster {
  /** Undefined where its configuration does not tell. */
  name: string | undefined;
  nodes: string[];
}

/**
 * @param text of corosync.conf(5): sections in braces, and "key: value"
 * @throws LifeboatError FAILED when the braces do not match or a line is neither
 */
export function parseCorosync(text: string): Cluster {
  const sections: string[] = [];
  let name: string | undefined;
  const nodes: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const opened = /^(\S+)\s*\{$/.exec(line)?.[1];
    const [, key, value] = /^([^\s:]+)\s*:\s*(.*)$/.exec(line) ?? [];
    if (opened !== undefined) sections.push(opened);
    else if (line === '}') {
      if (sections.pop() === undefined) throw malformed(`line ${index + 1} closes what was not opened`);
    } else if (key === undefined || value === undefined) throw malformed(`line ${index + 1} is "${line}"`);
    else if (sections.join('.') === 'totem' && key === 'cluster_name') name = value;
    else if (sections.join('.') === 'nodelist.node' && key === 'name') nodes.push(value);
  }
  if (sections.length > 0) throw malformed(`"${sections.at(-1)}" is not closed`);
  return { name, nodes };
}

function malformed(reason: string): LifeboatError {
  return new LifeboatError('FAILED', `Cannot make sense of corosync.conf: ${reason}`, {
    hint: 'look at it: pvecm status; cat /etc/corosync/corosync.conf',
  });
}
