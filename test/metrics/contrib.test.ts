import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { prometheusText } from '../../src/metrics/prometheus.js';
import { makeReport } from '../../src/metrics/report.js';
import { bootNights, DAY_MS, factsAt, GIB, START_MS } from './synthetic.js';

/** Every metric that there is: of a disk that is verified, predicted, odd, on a target that fills. */
function knownMetrics(): Set<string> {
  const plant = (night: number, row: { imageBytes: number }) => ({
    level: 3,
    processorMs: 1000,
    plainBytes: 64 * GIB,
    target: { path: '/mnt', freeBytes: (50 - night) * 100 * GIB, sizeBytes: 9000 * GIB },
    ...(night === 29 ? { imageBytes: 3 * row.imageBytes } : {}),
  });
  const rows = bootNights({ seed: 1, noise: 0.05, count: 30, plant });
  const speeds = {
    codec: 'zstd',
    level: 3,
    bytesPerSecondPerThread: 1e8,
    ratio: 2,
    decodeBytesPerSecondPerThread: 1e9,
  };
  const calibration = { madeAt: rows[0]?.time ?? '', threads: 2, codecs: [speeds] };
  const facts = factsAt(START_MS + 30 * DAY_MS);
  const report = makeReport({ rows, brokenLines: 0 }, { facts, days: 90, source: undefined, calibration });
  return new Set([...prometheusText(report, '1').matchAll(/^(lifeboat_\w+)/gm)].map(([name]) => name));
}

for (const path of ['contrib/grafana.json', 'contrib/alerts.yml'])
  test(`${path} asks for metrics that are written`, () => {
    const known = knownMetrics();
    const asked = [...readFileSync(path, 'utf8').matchAll(/\blifeboat_\w+/g)].map(([name]) => name);
    assert.ok(asked.length > 4);
    assert.deepEqual(
      asked.filter((name) => !known.has(name)),
      [],
    );
  });

test('contrib/grafana.json is a dashboard whose panels do not overlap', () => {
  const { panels } = JSON.parse(readFileSync('contrib/grafana.json', 'utf8')) as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
  );
  assert.equal(new Set(cells).size, cells.length);
  assert.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24));
});
