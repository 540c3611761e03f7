/**
 * What every restore.sh has in common; src/sets/restore-script.ts puts a head before it that tells of the one set. No
 * braces behind a dollar sign are in it, for TypeScript would take them for its own.
 */
export const RESTORE_SCRIPT_BODY = String.raw`
usage() {
  cat <<WORDS
Usage: sh restore.sh /dev/sdX                    checks this set, asks, and writes it to the disk
       sh restore.sh --yes-destroy sdX /dev/sdX  the same without asking: the disk is named twice
       sh restore.sh --check                     checks this set only, and writes nothing
       --skip-check                              does not check the set first
       --compare                                 reads the disk back at the end, and compares

This set: $HOST, $CREATED, of $WAS, $SIZE_WORDS
Disks of this machine: lsblk -o NAME,SIZE,LOG-SEC,MODEL,SERIAL,MOUNTPOINTS
WORDS
}

say() {
  printf 'restore.sh: %s\n' "$*" >&2
}

die() {
  say "error: $*"
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

TARGET=
YES=
CHECK_ONLY=no
SKIP_CHECK=no
COMPARE=no
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --check) CHECK_ONLY=yes ;;
    --skip-check) SKIP_CHECK=yes ;;
    --compare) COMPARE=yes ;;
    --yes-destroy)
      [ $# -ge 2 ] || die "--yes-destroy wants the name of the disk behind it: --yes-destroy sdX"
      YES=$2
      shift
      ;;
    -*)
      usage >&2
      say "error: there is no option $1"
      exit 64
      ;;
    *)
      [ -z "$TARGET" ] || die "name one disk only, not $TARGET and $1"
      TARGET=$1
      ;;
  esac
  shift
done
if [ "$CHECK_ONLY" = yes ] && [ "$SKIP_CHECK" = yes ]; then
  die "--check and --skip-check are opposites"
fi
if [ -z "$TARGET" ] && [ "$CHECK_ONLY" = no ]; then
  usage >&2
  exit 64
fi

# The target before the change of directory: it may be given relative to where we are.
if [ -n "$TARGET" ]; then
  has readlink || die "readlink is not there"
  DEVICE=$(readlink -f "$TARGET")
  if [ -z "$DEVICE" ] || [ ! -b "$DEVICE" ]; then
    die "$TARGET is no disk of this machine. lsblk -o NAME,SIZE,MODEL,SERIAL shows them"
  fi
fi
HERE=$(dirname -- "$0")
CDPATH='' cd -- "$HERE" || die "cannot enter $HERE"
[ -f "$IMAGE" ] || die "$IMAGE is not beside this script: run it where its set is"
has sha256sum || die "sha256sum is not there. On Debian: apt install coreutils"
has dd || die "dd is not there. On Debian: apt install coreutils"
has "$PROGRAM" || die "$PROGRAM is not there. On Debian: apt install $PACKAGE"

# --- the target -----------------------------------------------------------------------------------------------------

# Who is on a disk, its partitions, and what is built on them: a line each, nothing where nobody is.
users_of() {
  for part in "$1" "$1"/*/; do
    [ "$part" = "$1" ] || [ -e "$part/partition" ] || continue
    number=$(cat "$part/dev")
    node=/dev/$(basename "$part" | tr '!' /)
    while read -r _ _ found _ where rest; do
      # btrfs has a number of its own: its device is named behind the hyphen.
      case " $found $rest " in
        " $number "* | *" - "*" $node "*) echo "$node is mounted on $where: umount $where" ;;
      esac
    done </proc/self/mountinfo
    while read -r swap _; do
      [ "$swap" != "$node" ] || echo "$node is used as swap: swapoff $node"
    done </proc/swaps
    for holder in "$part"/holders/*; do
      [ -e "$holder" ] || continue
      name=$(cat "$holder/dm/name" 2>/dev/null || basename "$holder")
      case $(basename "$holder") in
        md*) echo "$node is part of the RAID $name: mdadm --stop /dev/$name" ;;
        *) echo "$node is in use by $name: vgchange -an (all of LVM), or dmsetup remove $name" ;;
      esac
    done
  done
}

if [ -n "$TARGET" ]; then
  [ "$(id -u)" = 0 ] || die "only root writes to disks: sudo sh $0 $TARGET"
  NAME=$(echo "$DEVICE" | sed 's|^/dev/||')
  SYS=$(readlink -f "/sys/class/block/$(echo "$NAME" | tr / '!')")
  if [ -z "$SYS" ] || [ ! -r "$SYS/dev" ]; then
    die "/sys does not know $DEVICE: is /sys mounted?"
  fi
  [ ! -e "$SYS/partition" ] || die "$DEVICE is a partition. Name the whole disk: this set is one of a whole disk"
  [ "$(cat "$SYS/ro")" = 0 ] || die "$DEVICE is read-only"
  used=$(users_of "$SYS")
  if [ -n "$used" ]; then
    say "error: $DEVICE is in use. Nothing was written:"
    printf '%s\n' "$used" >&2
    exit 1
  fi
  # sysfs counts in 512 bytes, whatever the sectors are.
  target_size=$(($(cat "$SYS/size") * 512))
  target_sector=$(cat "$SYS/queue/logical_block_size")
  [ -n "$target_sector" ] || die "cannot tell the sector size of $DEVICE"
  [ "$target_size" -ge "$SIZE" ] ||
    die "$DEVICE is too small: it has $target_size bytes, this set needs $SIZE. lifeboat restore --shrink-tail may fit it"
  [ "$target_sector" -eq "$SECTOR" ] ||
    die "$DEVICE has sectors of $target_sector bytes, the saved disk had $SECTOR: its partitions would not be found"
fi

# --- this set -------------------------------------------------------------------------------------------------------

if [ "$SKIP_CHECK" = no ]; then
  for file in manifest.json SHA256SUMS; do
    [ -f "$file" ] || die "this set is not whole: it has no $file"
  done
  say "checking this set, which takes as long as reading it"
  sha256sum -c SHA256SUMS >&2 ||
    die "this set is damaged, see FAILED above. Take another; or, if $IMAGE is OK, go on with --skip-check"
fi
if [ "$CHECK_ONLY" = yes ]; then
  say "this set is whole"
  exit 0
fi

# --- the last word --------------------------------------------------------------------------------------------------

MODEL=$(cat "$SYS/device/model" 2>/dev/null)
say "set:    $HOST, $CREATED, of $WAS, $SIZE bytes"
say "target: $DEVICE, $MODEL, $target_size bytes"
if has lsblk; then
  lsblk -o NAME,SIZE,FSTYPE,LABEL,MODEL,SERIAL "$DEVICE" >&2
fi
if [ -z "$YES" ]; then
  say "EVERYTHING ON $DEVICE WILL BE LOST. Type its name, $NAME, to go on:"
  IFS= read -r YES
fi
if [ "$YES" != "$NAME" ] && [ "$YES" != "$DEVICE" ]; then
  die "not confirmed: the disk is $NAME, not '$YES'. Nothing was written"
fi
# Somebody may have mounted it while the set was checked.
[ -z "$(users_of "$SYS")" ] || die "$DEVICE has come into use meanwhile. Nothing was written"

# --- writing --------------------------------------------------------------------------------------------------------

FLAGS=
for flag in iflag=fullblock status=progress; do
  if dd if=/dev/null of=/dev/null bs=512 "$flag" 2>/dev/null; then FLAGS="$FLAGS $flag"; fi
done

# A disk that is written by half must not boot.
spoil() {
  trap '' HUP INT TERM
  dd if=/dev/zero of="$DEVICE" bs=65536 count=16 conv=fsync 2>/dev/null
  say "the first MiB of $DEVICE was cleared, so that nothing starts from a disk that is written by half"
}
trap 'spoil; die "stopped: $DEVICE holds a part of the disk only. Start again"' HUP INT TERM

say "writing $DEVICE"
# POSIX has no pipefail: both ends tell by descriptor 3 how they ended. Zeros are written too: the disk holds old data.
# shellcheck disable=SC2086
ENDS=$({
  {
    decode 3>&-
    echo "decode=$?" >&3
  } | {
    dd of="$DEVICE" bs=4M conv=fsync $FLAGS 3>&- >&2
    echo "dd=$?" >&3
  }
} 3>&1)
case " $(echo "$ENDS" | sort | tr '\n' ' ')" in
  " dd=0 decode=0 ") ;;
  *)
    spoil
    die "writing $DEVICE failed ($(echo "$ENDS" | tr '\n' ' ')): it holds a part of the disk only"
    ;;
esac
trap - HUP INT TERM

if [ "$COMPARE" = yes ]; then
  say "reading $DEVICE back"
  blockdev --flushbufs "$DEVICE" 2>/dev/null || say "warning: without blockdev, what is read may come from memory"
  wanted=$(decode | sha256sum)
  found=$(head -c "$SIZE" "$DEVICE" | sha256sum)
  [ "$wanted" = "$found" ] ||
    die "$DEVICE does not hold what was written to it: the disk, its cable or the memory is failing"
fi

# --- the partition table --------------------------------------------------------------------------------------------

if [ "$target_size" -gt "$SIZE" ]; then
  # What was at the end before: a backup of another partition table, or a RAID's superblock that still finds its array.
  sectors=$(((target_size - SIZE) / SECTOR))
  most=$((1048576 / SECTOR))
  if [ "$sectors" -gt "$most" ]; then sectors=$most; fi
  dd if=/dev/zero of="$DEVICE" bs="$SECTOR" seek=$((target_size / SECTOR - sectors)) count="$sectors" \
    conv=fsync 2>/dev/null || say "warning: the end of $DEVICE could not be cleared"
fi
if [ "$target_size" -gt "$SIZE" ] && [ "$SCHEME" = gpt ]; then
  if { has sgdisk && sgdisk -e "$DEVICE" >&2; } ||
    { has sfdisk && sfdisk --relocate gpt-bak-std "$DEVICE" >&2; }; then
    say "the backup partition table is at the end of the disk now"
  else
    say "warning: the backup partition table is not at the end of the disk, which works all the same"
    say "warning: put it there later: sgdisk -e $DEVICE"
  fi
fi
sync
if { has blockdev && blockdev --rereadpt "$DEVICE"; } || { has partprobe && partprobe "$DEVICE"; } ||
  { has partx && partx -u "$DEVICE"; }; then
  if has udevadm; then udevadm settle --timeout=10; fi
else
  say "warning: the kernel still knows the old partitions of $DEVICE only: restart before you look at the new ones"
fi

# --- what is next ---------------------------------------------------------------------------------------------------

say "done: $DEVICE is the disk of $HOST as of $CREATED. Next, and in full in RECOVERY.md:"
say "- take the OLD disk out before you start: both have the same UUIDs"
if [ "$BOOT" = uefi ]; then
  say "- it starts by UEFI: if the firmware does not find it, RECOVERY.md has the line for efibootmgr"
else
  say "- it starts by BIOS and has its boot code: put it first in the boot order"
fi
if [ "$target_size" -gt "$SIZE" ]; then
  say "- $((target_size - SIZE)) bytes of it are unused: RECOVERY.md tells how to grow"
fi
if [ "$GUESTS" = 'left out' ]; then
  say "- disks of guests were left out: make the thin pool anew, and restore them from their own backups"
fi
exit 0
`;
