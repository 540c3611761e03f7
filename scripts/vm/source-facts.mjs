/**
 * What is known of the host before it is saved.
 * @returns {Promise<{ usedBytes: number, rootOffset: number, espSum: string }>} `usedBytes`: by the file systems' own
 *   count, with their metadata; `rootOffset`: where root's only segment begins on the disk
 */
export async function facts(guest) {
  // Of what is mounted only statfs knows what is free: the superblock on the disk has an old count.
  const ext4 = await guest.run("sync; dumpe2fs -h /dev/pve/root 2>/dev/null; stat --file-system --format 'Free: %f' /");
  const field = (name) => Number(new RegExp(`^${name}: *(\\d+)`, 'm').exec(ext4)?.[1]);
  const root = (field('Block count') - field('Free')) * field('Block size');
  const esp = Number(await guest.run('df --block-size=1 --output=used /boot/efi | tail -1'));
  const report = async (command) => Object.values(JSON.parse(await guest.run(command)).report[0])[0][0];
  const options = '--reportformat json --units b --nosuffix';
  const pv = await report(`pvs ${options} -o pe_start,vg_extent_size /dev/vda3`);
  const lv = await report(`lvs ${options} -o seg_pe_ranges pve/root`);
  const firstExtent = Number(/^\/dev\/vda3:(\d+)-\d+$/.exec(lv.seg_pe_ranges)?.[1]);
  const partition = Number(await guest.run('cat /sys/class/block/vda3/start')) * 512;
  const rootOffset = partition + Number(pv.pe_start) + firstExtent * Number(pv.vg_extent_size);
  const espSum = (await guest.run('sha1sum < /boot/efi/EFI/BOOT/BOOTX64.EFI')).split(' ')[0];
  return { usedBytes: root + esp, rootOffset, espSum };
}
