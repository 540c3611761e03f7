import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { networkInterfaces, parseIpAddresses, readNetwork } from '../../src/host/network.js';

/** Printed by iproute2 6.1: a bridge with addresses of its own and one member. */
const BRIDGE = readFileSync('test/host/fixtures/ip-addr-bridge.json', 'utf8');

test('addresses and other names are read; link-local ones of IPv6 are left out', () => {
  const links = parseIpAddresses(BRIDGE);
  assert.deepEqual(
    links.map(({ name }) => name),
    ['lo', 'vmbr0', 'cable', 'nic0'],
  );
  assert.deepEqual(links[1], {
    name: 'vmbr0',
    permanentMac: undefined,
    addresses: ['192.0.2.10/24', '2001:db8::10/64'],
    alternativeNames: [],
  });
  assert.deepEqual(links[3], { name: 'nic0', permanentMac: undefined, addresses: [], alternativeNames: ['enp3s0'] });
});

test('an address of IPv4 counts although it is link-local', () => {
  const info = { family: 'inet', local: '169.254.1.1', prefixlen: 16, scope: 'link' };
  assert.deepEqual(parseIpAddresses(JSON.stringify([{ ifname: 'en0', addr_info: [info] }]))[0]?.addresses, [
    '169.254.1.1/16',
  ]);
});

test('what is no report of ip is an error, never a guess', () => {
  const wrong: [string, RegExp][] = [
    ['', /no JSON/],
    [BRIDGE.slice(0, 300), /no JSON/],
    ['{"a":1}', /no list/],
    ['[{"ifname":7,"addr_info":[]}]', /no name/],
    ['[{"ifname":"","addr_info":[]}]', /no name/],
    ['["nic0"]', /no name/],
    ['[{"ifname":"nic0"}]', /nic0 has no list of addresses/],
    ['[{"ifname":"nic0","addr_info":[null]}]', /nic0 has the address null/],
    ['[{"ifname":"nic0","addr_info":[{"local":"192.0.2.1"}]}]', /nic0 has the address/],
    ['[{"ifname":"nic0","addr_info":[],"permaddr":1}]', /nic0 has a MAC/],
    ['[{"ifname":"nic0","addr_info":[],"altnames":"x"}]', /nic0 has no list of other names/],
  ];
  for (const [json, message] of wrong) assert.throws(() => parseIpAddresses(json), { code: 'FAILED', message });
  assert.deepEqual(parseIpAddresses('[{},{}]'), []);
});

test('bridges, bonds, VLANs and hardware are told apart; guests and the loopback are left out', (t) => {
  const sys = fakeSys({
    lo: {},
    nic0: { device: '0000:03:00.0', driver: 'igb', master: 'bond0', mac: '02:00:00:00:00:aa' },
    nic1: { device: '0000:03:00.1', driver: 'igb', master: 'bond0', mac: '02:00:00:00:00:aa' },
    bond0: { files: { 'bonding/slaves': 'nic0 nic1\n' }, master: 'vmbr0', mac: '02:00:00:00:00:aa' },
    'bond0.50': { files: { uevent: 'DEVTYPE=vlan\nINTERFACE=bond0.50\n' } },
    vmbr0: { files: { 'bridge/bridge_id': 'x', 'brif/bond0/port_no': '1', 'brif/tap100i0/port_no': '2' } },
    tap100i0: { master: 'vmbr0' },
    veth101i0: {},
    fwbr100i0: { files: { 'bridge/bridge_id': 'x' } },
    wg0: {},
  });
  t.after(() => rmSync(sys, { recursive: true }));
  writeFileSync(`${sys}/class/net/bonding_masters`, 'bond0\n');

  const links = [
    { name: 'nic1', permanentMac: '02:00:00:00:00:bb', addresses: [], alternativeNames: ['enp3s0f1'] },
    { name: 'vmbr0', permanentMac: undefined, addresses: ['192.0.2.10/24'], alternativeNames: [] },
  ];
  const found = networkInterfaces(sys, links);
  assert.deepEqual(
    found.map(({ name, kind, master, ports }) => [name, kind, master, ports]),
    [
      ['bond0', 'bond', 'vmbr0', ['nic0', 'nic1']],
      ['bond0.50', 'vlan', undefined, []],
      ['nic0', 'physical', 'bond0', []],
      ['nic1', 'physical', 'bond0', []],
      ['vmbr0', 'bridge', undefined, ['bond0']],
      ['wg0', 'virtual', undefined, []],
    ],
  );
  assert.deepEqual(
    found.find(({ name }) => name === 'nic1'),
    {
      name: 'nic1',
      kind: 'physical',
      mac: '02:00:00:00:00:bb',
      addresses: [],
      master: 'bond0',
      ports: [],
      alternativeNames: ['enp3s0f1'],
      driver: 'igb',
      slot: '0000:03:00.1',
    },
  );
  assert.deepEqual(found.find(({ name }) => name === 'vmbr0')?.addresses, ['192.0.2.10/24']);
});

test("this machine's own interfaces are read", async () => {
  for (const { mac, name } of await readNetwork(new AbortController().signal)) {
    assert.match(mac, /^([0-9a-f]{2}:)+[0-9a-f]{2}$/, name);
    assert.notEqual(name, 'lo');
  }
});

interface FakeInterface {
  device?: string;
  driver?: string;
  master?: string;
  mac?: string;
  files?: Record<string, string>;
}

function fakeSys(interfaces: Record<string, FakeInterface>): string {
  const sys = mkdtempSync(join(tmpdir(), 'lifeboat-net-'));
  for (const [name, { device, driver, master, mac, files }] of Object.entries(interfaces)) {
    const at = `${sys}/class/net/${name}`;
    for (const [path, text] of Object.entries({ ...files, address: `${mac ?? '02:00:00:00:00:01'}\n` })) {
      mkdirSync(dirname(`${at}/${path}`), { recursive: true });
      writeFileSync(`${at}/${path}`, text);
    }
    if (master !== undefined) symlinkSync(`../${master}`, `${at}/master`);
    if (device === undefined) continue;
    mkdirSync(`${sys}/devices/${device}`, { recursive: true });
    symlinkSync(`../../../devices/${device}`, `${at}/device`);
    if (driver !== undefined) symlinkSync(`../../bus/pci/drivers/${driver}`, `${sys}/devices/${device}/driver`);
  }
  return sys;
}
