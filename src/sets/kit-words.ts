/** What a rescue kit is unpacked to. */
export const KIT_DIRECTORY = 'lifeboat-rescue-kit';

export interface KitFacts {
  version: string;
  nodeVersion: string;
  arch: string;
  /** File name of the loader in lib/; undefined where node is linked statically. */
  loader: string | undefined;
  /** Files that node itself wants at these places, or does not start. */
  builtins: readonly string[];
}

/** The kit's `lifeboat`. */
export function kitLauncher({ loader, builtins }: KitFacts): string {
  const node = loader === undefined ? '"$root/node"' : `"$root/lib/${loader}" --library-path "$root/lib" "$root/node"`;
  return `#!/bin/sh
# Starts lifeboat with the node, the libraries and the loader that lie beside this file. Nothing of the system is used but
# its kernel and sh, so that it does not matter which libc it has.
set -eu

PATH=\${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
export PATH

root=$(dirname -- "$(readlink -f -- "$0")")
case $root in
*[:\\;]*)
  echo "lifeboat: unpack the kit in a directory without ':' and ';' in its path, which is $root" >&2
  exit 1
  ;;
esac
${builtins.length === 0 ? '' : builtinLines(builtins)}
: "\${UV_THREADPOOL_SIZE:=16}"
export UV_THREADPOOL_SIZE
# SIGUSR1 opens Node's inspector; it cannot bind an address that is reserved for documentation (RFC 5737).
exec ${node} --inspect-port=192.0.2.1:9229 "$root/dist/main.js" "$@"
`;
}

/** Debian's node reads parts of itself from /usr/share, by paths that are compiled in, and aborts without them. */
function builtinLines(builtins: readonly string[]): string {
  return `
# Debian's node reads these at its start, from nowhere else.
for file in ${builtins.map((path) => `'${path}'`).join(' ')}; do
  [ -e "$file" ] && continue
  if ! { mkdir -p "\${file%/*}" && cp "$root/builtins$file" "$file"; }; then
    echo "lifeboat: this node needs $file, and cannot put it there: run this as root, on a system that can be written" >&2
    exit 1
  fi
done
`;
}

/** What somebody reads who finds the kit on the worst day. */
export function kitReadme({ version, nodeVersion, arch }: KitFacts): string {
  return `Lifeboat ${version}: rescue kit
============================

Puts back the disk of a host that "lifeboat boot" has saved, from any Linux live system for ${arch}: a Debian live
image, the rescue mode of Proxmox's installer, SystemRescue, GRML. It brings its own node (${nodeVersion}), its own
libraries and its own loader, and needs nothing of the live system but sh and tar.

1. Become root, and mount the disk or share with the sets:

     mount /dev/sdX1 /mnt            or:  mount -t nfs SERVER:/EXPORT /mnt

2. Unpack the kit, not on a file system that is mounted noexec:

     cd /root && tar -xzf /mnt/PATH/lifeboat-rescue-kit-${arch}-${version}.tar.gz
     cd ${KIT_DIRECTORY}

3. See which disks there are, and prove that the set is whole:

     lsblk -o NAME,SIZE,MODEL,SERIAL,MOUNTPOINTS
     ./lifeboat verify /mnt/PATH/HOSTNAME/DATE

4. Restore. ALL ON THE TARGET IS LOST. It is named twice, so that a slip does no harm:

     ./lifeboat restore /mnt/PATH/HOSTNAME/DATE -o /dev/sdX --confirm sdX --check

   It goes to a larger disk as it is. --shrink-tail puts it on to a smaller one if what is in use fits. At the end it
   says what is left to do: how to make it start, and how to use the room of a larger disk.

5. RECOVERY.md in the set was written for that very host: read it before the first start.

Without this kit: RECOVERY.md and restore.sh in the set need stock tools only.
./lifeboat restore --help, ./lifeboat verify --help.
`;
}
