import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { countGuests, readKernelLoad } from '../../src/device/host-load.js';

const STAT = `cpu  100 20 30 1000 50 5 6 7 40 0
cpu0 50 10 15 500 25 3 3 4 20 0
cpu1 50 10 15 500 25 2 3 3 20 0
intr 12345 0 1
procs_running 3
procs_blocked 1
`;
const PRESSURE = `some avg10=12.50 avg60=3.00 avg300=1.00 total=4000000
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
`;

function tree(t: TestContext, files: Record<string, string>) {
  const base = mkdtempSync(join(tmpdir(), 'lifeboat-load-'));
  t.after(() => rmSync(base, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(base, name)), { recursive: true });
    writeFileSync(join(base, name), text);
  }
  return { proc: join(base, 'proc'), sys: join(base, 'sys'), run: join(base, 'run') };
}

test("a kernel's counts are read as its documents have them", (t) => {
  const roots = tree(t, {
    'proc/stat': STAT,
    'proc/loadavg': '1.50 1.00 0.50 3/400 1234\n',
    'proc/meminfo': 'MemTotal:  8000000 kB\nMemFree:  100 kB\nMemAvailable:   2000 kB\n',
    'proc/pressure/cpu': PRESSURE,
    'sys/fs/cgroup/qemu.slice/cpu.pressure': PRESSURE.replace('4000000', '7000'),
    'sys/fs/cgroup/lxc/cpu.pressure': PRESSURE.replace('4000000', '9000'),
  });
  assert.deepEqual(readKernelLoad(roots), {
    cores: 2,
    // A guest's time is in the user's already.
    busyMs: 1610,
    idleMs: 10_500,
    stealMs: 70,
    runnable: 3,
    loadAverage: 1.5,
    cpu: { recentShare: 0.125, totalMs: 4000 },
    io: undefined,
    memory: undefined,
    guestWaitMs: 9,
    availableBytes: 2000 * 1024,
  });
});

test("ZFS's cache counts as free down to its least", (t) => {
  const roots = tree(t, {
    'proc/stat': STAT,
    'proc/meminfo': 'MemAvailable:   1000 kB\n',
    'proc/spl/kstat/zfs/arcstats':
      'name type data\nc_min                           4    1000000\nsize                            4    5000000\n',
  });
  assert.equal(readKernelLoad(roots)?.availableBytes, 1000 * 1024 + 4_000_000);
});

test('a kernel without /proc/pressure tells the rest, one without /proc/stat nothing', (t) => {
  const without = readKernelLoad(tree(t, { 'proc/stat': STAT }));
  assert.deepEqual(
    [without?.cores, without?.cpu, without?.guestWaitMs, without?.availableBytes],
    [2, undefined, undefined, undefined],
  );
  assert.equal(readKernelLoad(tree(t, {})), undefined);
  const empty = readKernelLoad(tree(t, { 'proc/stat': 'nonsense\n', 'proc/loadavg': 'x', 'proc/pressure/cpu': '' }));
  assert.deepEqual([empty?.cores, empty?.busyMs, empty?.loadAverage, empty?.cpu], [0, 0, 0, undefined]);
});

test("this host's own counts grow, and no faster than time", async () => {
  const before = readKernelLoad();
  const start = performance.now();
  while (performance.now() - start < 300);
  const after = readKernelLoad();
  const took = performance.now() - start;
  assert.ok(before !== undefined && after !== undefined);
  const grown = after.busyMs + after.idleMs + after.stealMs - before.busyMs - before.idleMs - before.stealMs;
  assert.ok(grown > 0 && grown < (took + 100) * after.cores * 1.2, `${grown} ms in ${took}`);
});

test('guests of Proxmox that run are counted, and other files are not', (t) => {
  const roots = tree(t, {
    'run/qemu-server/100.pid': '1',
    'run/qemu-server/100.qmp': '',
    'run/qemu-server/101.pid': '2',
    'sys/fs/cgroup/lxc/200/cgroup.procs': '',
    'sys/fs/cgroup/lxc/cgroup.procs': '',
  });
  assert.equal(countGuests(roots.run, roots.sys), 3);
  assert.equal(countGuests('/nothing', '/nothing'), 0);
});
