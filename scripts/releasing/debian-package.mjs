import { chmod, copyFile, cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { $ } from 'zx';

const MAINTAINER_SCRIPTS = ['postinst', 'prerm', 'postrm'];
const MANUAL = 'usr/share/man/man8/lifeboat.8';
const PROGRAM = 'usr/lib/lifeboat';
const DOC = 'usr/share/doc/lifeboat';
const DIRECTORIES = [
  ...['DEBIAN', DOC, 'etc/lifeboat', 'usr/sbin', 'usr/lib/systemd/system'],
  ...['usr/share/man/man8', 'usr/share/bash-completion/completions'],
];
/** Where install.sh puts the launcher; units and examples name that one. */
const LOCAL_LAUNCHER = /\/usr\/local\/sbin\/lifeboat/g;

/**
 * Builds the package from the tree of the tarball, which lies in `work`.
 * @param {{ root: string, work: string, out: string, version: string, dateS: number }} options
 * @returns {Promise<string>} its path
 */
export async function makeDebianPackage({ root, work, out, version, dateS }) {
  const tree = path.join(work, `lifeboat-${version}-linux-x64`);
  const deb = path.join(work, 'deb');
  const at = (name) => path.join(deb, name);
  for (const name of DIRECTORIES) await mkdir(at(name), { recursive: true });
  await chmod(at('etc/lifeboat'), 0o700);

  await cp(tree, at(PROGRAM), { recursive: true, verbatimSymlinks: true });
  // It would install a second Lifeboat beside this one.
  for (const name of ['install.sh', 'SHA256SUMS']) await rm(at(`${PROGRAM}/${name}`));
  await symlink('../lib/lifeboat/bin/lifeboat', at('usr/sbin/lifeboat'));
  await rename(at(`${PROGRAM}/docs/lifeboat.8`), at(MANUAL));
  await rename(at(`${PROGRAM}/hooks/completion.bash`), at('usr/share/bash-completion/completions/lifeboat'));
  await rename(at(`${PROGRAM}/hooks/config.toml`), at('etc/lifeboat/config.toml'));
  await chmod(at('etc/lifeboat/config.toml'), 0o600);
  for (const unit of ['lifeboat.service', 'lifeboat.timer'])
    await rename(at(`${PROGRAM}/hooks/${unit}`), at(`usr/lib/systemd/system/${unit}`));
  for (const name of ['usr/lib/systemd/system/lifeboat.service', `${PROGRAM}/hooks/lifeboat.cron`]) {
    const text = await readFile(at(name), 'utf8');
    await writeFile(at(name), text.replaceAll(LOCAL_LAUNCHER, '/usr/sbin/lifeboat'));
  }
  await writeFile(at(`${DOC}/copyright`), await copyright(root, tree));
  await copyFile(path.join(root, 'CHANGELOG.md'), at(`${DOC}/changelog`));
  await $`gzip -9n ${at(MANUAL)} ${at(`${DOC}/changelog`)}`;

  await writeFile(at('DEBIAN/control'), await control(deb, version));
  await writeFile(at('DEBIAN/conffiles'), '/etc/lifeboat/config.toml\n');
  for (const name of MAINTAINER_SCRIPTS) {
    await copyFile(path.join(import.meta.dirname, 'debian', name), at(`DEBIAN/${name}`));
    await chmod(at(`DEBIAN/${name}`), 0o755);
  }
  await $`find ${deb} -exec touch --no-dereference --date=@${dateS} {} +`;
  const file = path.join(out, `lifeboat_${version}_amd64.deb`);
  await $({ env: { ...process.env, SOURCE_DATE_EPOCH: String(dateS) } })`
    dpkg-deb --root-owner-group -Zxz --threads-max=1 --build ${deb} ${file}`;
  return file;
}

async function control(deb, version) {
  const entries = await readdir(deb, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const sizeKiB = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1024);
  return `Package: lifeboat
Version: ${version}
Architecture: amd64
Maintainer: Lifeboat <root@localhost>
Section: admin
Priority: optional
Installed-Size: ${sizeKiB}
Depends: nodejs (>= 20.19), libdeflate0
Recommends: partclone, sqlite3, gdisk, libisal2, libxxhash0, lvm2, zstd
Suggests: default-mta | mail-transport-agent
Description: images a Proxmox host's boot disk while it runs, proves it, restores it
 Saves the boot disk of a host in use, from LVM snapshots and on all
 processors, with what is needed to bring the host back, proves that the image
 is whole, and restores it on bare metal. Stock tools restore it too.
`;
}

async function copyright(root, tree) {
  const own = await readFile(path.join(root, 'LICENSE'), 'utf8');
  return `${own}\n${await readFile(path.join(tree, 'docs/third-party-licences.txt'), 'utf8')}`;
}
