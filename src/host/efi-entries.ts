import { LifeboatError } from '../error.js';

/** What the firmware knows how to start; it is kept on the mainboard and not on the disk. */
export interface EfiEntries {
  /** The number of the entry this run was started by: "0004". */
  current: string | undefined;
  order: string[];
  entries: EfiEntry[];
}

export interface EfiEntry {
  number: string;
  label: string;
  active: boolean;
  /** Of the partition that the loader lies on. */
  partitionUuid: string | undefined;
  /** "\EFI\proxmox\shimx64.efi", as `efibootmgr --loader` takes it. */
  loader: string | undefined;
}

/**
 * @param text what `efibootmgr --verbose` prints
 * @throws LifeboatError FAILED when no entry and no order is in it
 */
export function parseEfiEntries(text: string): EfiEntries {
  const lines = text.split('\n');
  const after = (key: string): string | undefined =>
    lines
      .find((line) => line.startsWith(`${key}: `))
      ?.slice(key.length + 2)
      .trim();
  const current = after('BootCurrent');
  const order = after('BootOrder')?.split(',') ?? [];
  const entries = lines.flatMap((line) => toEntry(line) ?? []);
  if (entries.length === 0 && order.length === 0 && current === undefined)
    throw new LifeboatError('FAILED', 'Cannot make sense of what efibootmgr prints: no boot entry is in it', {
      hint: 'look at it: efibootmgr --verbose',
    });
  for (const number of [...order, ...(current === undefined ? [] : [current])])
    if (!/^[0-9A-F]{4}$/i.test(number))
      throw new LifeboatError(
        'FAILED',
        `Cannot make sense of what efibootmgr prints: an entry has number "${number}"`,
        {
          hint: 'look at it: efibootmgr --verbose',
        },
      );
  return { current, order, entries };
}

/** "Boot0004* proxmox<tab>HD(2,GPT,uuid,0x800,0x100000)/File(\EFI\proxmox\shimx64.efi)"; from version 18 on without File(). */
function toEntry(line: string): EfiEntry | undefined {
  const [, number, star, rest] = /^Boot([0-9A-F]{4})([* ]) ?(.*)$/i.exec(line) ?? [];
  if (number === undefined || rest === undefined) return undefined;
  const [label = '', path = ''] = rest.split('\t');
  const [, partitionUuid] = /HD\(\d+,GPT,([0-9a-f-]{36}),/i.exec(path) ?? [];
  const [, quoted, bare] = /\/(?:File\(([^)]*)\)|(\\[^/\t]*?\.efi))/i.exec(path) ?? [];
  return {
    number,
    label: label.trim(),
    active: star === '*',
    partitionUuid: partitionUuid?.toLowerCase(),
    loader: quoted ?? bare,
  };
}
