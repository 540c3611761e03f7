import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { type DebianRoot, debianRoot, noDebian } from './debian-root.js';
import { makeRelease, nextRelease, skip as noRelease } from './release.js';
import { treeFacts } from './tree-facts.js';

const skip = noRelease || noDebian;
const release = skip ? undefined : await makeRelease();
const { tarball = '', deb = '', version = '' } = release ?? {};
/** What dpkg, apt and the loader keep for themselves. */
const OF_PACKAGES =
  /^\/(proc|dev|tmp|root|run|var\/(cache|log|lib\/(dpkg|apt|systemd))|etc\/(ld\.so\.cache|resolv\.conf))$/;
/** What systemd's programs leave there until the next start. */
const UNTIL_RESTART = /^\/run$/;
const IS_ENABLED = 'SYSTEMD_OFFLINE=1 /usr/bin/systemctl is-enabled lifeboat.timer';
const LIMIT_MS = 1_200_000;

async function does(debian: DebianRoot, command: string): Promise<string> {
  const { status, said } = await debian.run(command);
  assert.equal(status, 0, `${command}: ${said}`);
  return said;
}

/** An image of a file there and back, with each library that this Debian has. */
async function savesAndRestores(debian: DebianRoot): Promise<void> {
  await does(
    debian,
    `set -e; cd /tmp; head -c 9000000 /usr/bin/node >disk
    for codec in zstd gzip lz4 xz; do
      lifeboat image disk -o image -c $codec --verify -q -f
      lifeboat verify image -q
      rm -f back; lifeboat restore image -o back -q
      cmp disk back
    done; rm -f disk image* back`,
  );
}

test('on Debian 13 the tarball installs, runs, is upgraded, and leaves nothing', {
  skip,
  timeout: LIMIT_MS,
}, async (t) => {
  const debian = await debianRoot(t);
  debian.put(tarball);
  assert.match(await does(debian, 'node --version'), /^v20\.19\./);
  await does(debian, 'cd /root && tar -xJf *.tar.xz && mv lifeboat-*/ one');
  const next = nextRelease(t, release as never, '0.1.1');
  await execa('cp', ['--archive', next, join(debian.root, 'root/two')]);
  await does(
    debian,
    "printf 'script: /usr/local/bin/old\\n' >/etc/vzdump.conf; install -m 755 /bin/true /usr/local/bin/old",
  );
  // As if systemd ran here: what it is told is kept.
  const told = '#!/bin/sh\\necho "$*" >>/run/told\\n';
  await does(
    debian,
    `mkdir -p /run/systemd/system; printf '${told}' >/usr/local/bin/systemctl; chmod 755 /usr/local/bin/systemctl`,
  );
  const tells = async () => (await does(debian, 'cat /run/told; : >/run/told')).split('\n');
  const before = treeFacts(debian.root, UNTIL_RESTART);

  const said = await does(debian, 'sh /root/one/install.sh --yes --hook --timer');
  assert.match(said, /apt install libdeflate0 partclone/);
  assert.equal(await does(debian, 'lifeboat --version'), version);
  await savesAndRestores(debian);
  assert.deepEqual(await tells(), ['daemon-reload', 'restart lifeboat.timer']);
  assert.equal(await does(debian, IS_ENABLED), 'enabled');
  const units = '/etc/systemd/system/lifeboat.service /etc/systemd/system/lifeboat.timer';
  assert.equal(await does(debian, `systemd-analyze verify --man=no ${units}`), '');
  await does(debian, '/usr/local/lib/lifeboat/hooks/vzdump-hook job-init');
  assert.match(await does(debian, 'sh /root/one/install.sh --yes'), /nothing to do/);

  await does(debian, 'sh /root/two/install.sh --yes');
  assert.deepEqual(await tells(), [''], 'the units are the same');
  assert.equal(await does(debian, IS_ENABLED), 'enabled');
  await savesAndRestores(debian);
  await does(debian, 'sh /usr/local/lib/lifeboat/install.sh --uninstall --purge --yes');
  assert.deepEqual(await tells(), ['stop lifeboat.timer', 'daemon-reload']);
  assert.deepEqual(treeFacts(debian.root, UNTIL_RESTART), before);
});

test('on Debian 13 apt installs the package with what it needs, and purges it', {
  skip,
  timeout: LIMIT_MS,
}, async (t) => {
  const debian = await debianRoot(t);
  debian.put(deb);
  await does(debian, "printf 'bwlimit: 3\\n' >/etc/vzdump.conf; install -m 755 /bin/true /usr/local/bin/old");
  const before = treeFacts(debian.root, OF_PACKAGES);

  const said = await does(debian, 'apt-get install -y --no-install-recommends /root/lifeboat_*.deb');
  assert.match(said, /Setting up libdeflate0/);
  assert.equal(await does(debian, 'lifeboat --version'), version);
  await savesAndRestores(debian);
  assert.equal((await debian.run('systemctl is-enabled lifeboat.timer')).said, 'disabled');
  assert.equal(await does(debian, 'systemd-analyze verify --man=no lifeboat.service lifeboat.timer'), '');
  await does(debian, 'cd / && dpkg --verify lifeboat && test -s /usr/share/man/man8/lifeboat.8.gz');

  // As an admin sets it up by hand; vzdump would refuse every job if this line stayed.
  await does(debian, 'systemctl enable lifeboat.timer 2>/dev/null');
  await does(debian, 'mkdir /etc/lifeboat/hooks.d; ln -s /usr/local/bin/old /etc/lifeboat/hooks.d/00-previous');
  await does(debian, "printf 'script: /usr/lib/lifeboat/hooks/vzdump-hook\\n' >>/etc/vzdump.conf");
  await does(debian, 'apt-get install -y --reinstall /root/lifeboat_*.deb');
  const conf = () => readFileSync(join(debian.root, 'etc/vzdump.conf'), 'utf8');
  assert.match(conf(), /vzdump-hook/);
  assert.equal(await does(debian, 'systemctl is-enabled lifeboat.timer'), 'enabled');
  await does(debian, 'echo "# mine" >>/etc/lifeboat/config.toml; apt-get remove -y lifeboat');
  assert.equal(conf(), 'bwlimit: 3\nscript: /usr/local/bin/old\n');
  assert.match(readFileSync(join(debian.root, 'etc/lifeboat/config.toml'), 'utf8'), /# mine/);
  await does(debian, "printf 'bwlimit: 3\\n' >/etc/vzdump.conf; apt-get purge -y lifeboat");
  await does(debian, 'apt-get autoremove -y --purge');
  assert.deepEqual(treeFacts(debian.root, OF_PACKAGES), before);
});
