import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { parseCorosync } from '../../src/host/corosync.js';
import { prettyName, readHostFacts } from '../../src/host/host-facts.js';
import { parsePveVersion } from '../../src/host/pve-version.js';

test('the facts of this machine are read, and nothing of them is a gap', async () => {
  const facts = await readHostFacts(new AbortController().signal);
  assert.deepEqual(facts.gaps, []);
  assert.equal(facts.hostname, hostname());
  assert.match(facts.kernel, /^\d+\.\d+/);
  assert.notEqual(facts.root.fsType, '');
  assert.ok(['uefi', 'bios'].includes(facts.bootMode));
});

test('reading facts stops when it is aborted', async () => {
  await assert.rejects(readHostFacts(AbortSignal.abort(new Error('enough'))), /enough/);
});

test('the version of Proxmox VE is read', () => {
  assert.equal(parsePveVersion('pve-manager/9.2.11/8a4b7b1f (running kernel: 6.17.4-1-pve)\n'), '9.2.11');
  for (const text of ['', 'pve-manager', 'pve-manager/9.2.11', 'perl: warning: Setting locale failed.\n'])
    assert.throws(() => parsePveVersion(text), { code: 'FAILED' });
});

test('the name of the system is read, quoted or not', () => {
  assert.equal(prettyName('ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'), 'Debian GNU/Linux 13 (trixie)');
  assert.equal(prettyName('PRETTY_NAME=Debian\n'), 'Debian');
  assert.equal(prettyName('ID=debian\n'), undefined);
  assert.equal(prettyName(undefined), undefined);
});

/** As pvecm writes it. */
const COROSYNC = `logging {
  debug: off
  to_syslog: yes
}

nodelist {
  node {
    name: pve1
    nodeid: 1
    quorum_votes: 1
    ring0_addr: 192.0.2.11
  }
  node {
    name: pve2
    nodeid: 2
    quorum_votes: 1
    ring0_addr: 2001:db8::12
  }
}

quorum {
  provider: corosync_votequorum
}

totem {
  cluster_name: home
  config_version: 2
  interface {
    linknumber: 0
  }
  ip_version: ipv4-6
  secauth: on
  version: 2
}
`;

test("a cluster's name and nodes are read", () => {
  assert.deepEqual(parseCorosync(COROSYNC), { name: 'home', nodes: ['pve1', 'pve2'] });
  assert.deepEqual(parseCorosync('# nothing yet\n'), { name: undefined, nodes: [] });
});

test('a corosync.conf that is cut or is something else is an error', () => {
  const wrong: [string, RegExp][] = [
    [COROSYNC.slice(0, -3), /"totem" is not closed/],
    ['}\n', /line 1 closes/],
    ['totem {\nhello\n}\n', /line 2 is "hello"/],
    ['\0\0\0', /line 1/],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseCorosync(text), { code: 'FAILED', message });
});
