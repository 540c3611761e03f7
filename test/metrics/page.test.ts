import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import type { ReadRow } from '../../src/metrics/history.js';
import { ticks } from '../../src/metrics/page/axis.js';
import { element, text } from '../../src/metrics/page/markup.js';
import { reportPage } from '../../src/metrics/page/report-page.js';
import { makeReport } from '../../src/metrics/report.js';
import { type Browser, noChromium, openBrowser } from './chromium.js';
import { type BootLike, bootNights, DAY_MS, factsAt, GIB, START_MS } from './synthetic.js';

const NIGHTS = 60;
const NOW_MS = START_MS + (NIGHTS - 1) * DAY_MS + 3_600_000;
const HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>&amp;\u202e\u0007';
const LONG = 'a'.repeat(300);

function pageOf(rows: readonly ReadRow[]): string {
  const facts = factsAt(NOW_MS, { rehearseEveryMs: 14 * DAY_MS });
  const options = { facts, days: 90, source: undefined, calibration: undefined };
  return reportPage(makeReport({ rows: [...rows], brokenLines: 1 }, options), HOSTILE, '0.1.0');
}

/** One of each: a disk with a bad night and a failed one, guests with names that mean harm, a restore, a target that fills. */
function rowsOfAll(): ReadRow[] {
  const plant = (night: number, row: BootLike) => ({
    target: { path: `/mnt/${HOSTILE}`, freeBytes: (700 - 10 * night) * GIB, sizeBytes: 2000 * GIB },
    ...(night === 30 ? { outcome: 'failure', error: HOSTILE } : {}),
    ...(night === NIGHTS - 1 ? { imageBytes: row.imageBytes * 2 } : {}),
  });
  const time = new Date(NOW_MS - DAY_MS).toISOString();
  const guests = [HOSTILE, LONG].map((hostname, index): ReadRow => {
    const figures = { bytes: 8 * GIB, archiveBytes: 3 * GIB, durationMs: 60_000 };
    return { kind: 'guest', time, vmid: 100 + index, hostname, outcome: 'ok', compression: 'zstd', ...figures };
  });
  const restore: ReadRow = { kind: 'restore', time, outcome: 'success', image: LONG, predictedMs: 9000, actualMs: 1e4 };
  return [...bootNights({ seed: 1, noise: 0.1, count: NIGHTS, plant }), ...guests, restore];
}

const VIEWS = [
  { name: 'on a phone', width: 360, height: 740, mobile: true, scheme: 'light', media: 'screen' },
  { name: 'on a desktop in dark mode', width: 1400, height: 900, mobile: false, scheme: 'dark', media: 'screen' },
  { name: 'on paper', width: 720, height: 1000, mobile: false, scheme: 'dark', media: 'print' },
];

describe('the page in Chromium', { skip: noChromium }, () => {
  let browser: Browser;
  let base: string;
  before(async () => {
    base = mkdtempSync(join(tmpdir(), 'lifeboat-page-'));
    browser = await openBrowser();
  });
  after(async () => {
    rmSync(base, { recursive: true, force: true });
    await browser?.close();
  });

  async function show(page: string, view: (typeof VIEWS)[number]): Promise<void> {
    const path = join(base, 'report.html');
    writeFileSync(path, page);
    const { width, height, mobile, scheme, media } = view;
    await browser.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await browser.send('Emulation.setEmulatedMedia', { media, features });
    const loaded = browser.next('Page.loadEventFired');
    await browser.send('Page.navigate', { url: pathToFileURL(path).href });
    await loaded;
  }

  const complaints = () => [
    ...browser.events('Runtime.exceptionThrown'),
    ...browser.events('Runtime.consoleAPICalled'),
    ...browser.events('Log.entryAdded'),
    ...browser.events('Page.javascriptDialogOpening'),
  ];

  for (const view of VIEWS)
    test(`${view.name}: nothing runs over the edge, nothing is asked of the network, nothing is complained of`, async (t) => {
      await show(pageOf(rowsOfAll()), view);
      assert.deepEqual(complaints(), []);
      const urls = browser.events('Network.requestWillBeSent').map(({ request }) => (request as { url: string }).url);
      assert.ok(urls.length > 0 && urls.every((url) => url.startsWith(`file://${base}/`)), urls.join(' '));
      assert.equal(await browser.evaluate('innerWidth'), view.width);
      const wide = await browser.evaluate(
        '[...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest("svg")).map((one) => one.outerHTML.slice(0, 80))',
      );
      assert.deepEqual(wide, []);
      assert.ok(Number(await browser.evaluate('document.documentElement.scrollWidth')) <= view.width);
      await keepPicture(t, browser, view.name);
    });

  test('light, dark and paper are three grounds, and words stand out on each', async () => {
    const grounds = new Set<string>();
    for (const [scheme, media] of [
      ['light', 'screen'],
      ['dark', 'screen'],
      ['dark', 'print'],
    ] as const) {
      await show(pageOf(rowsOfAll()), { ...(VIEWS[1] as (typeof VIEWS)[number]), scheme, media });
      const colours = String(
        await browser.evaluate(
          '(() => { const s = getComputedStyle(document.body); return s.backgroundColor + ";" + s.color })()',
        ),
      );
      const [ground = '', ink = ''] = colours.split(';');
      assert.ok(contrast(ground, ink) >= 7, `${scheme} ${media}: ${colours}`);
      grounds.add(ground);
    }
    assert.equal(grounds.size, 3);
  });

  test('it has charts with bands, the odd run and the failed one, and the forecast', async () => {
    await show(pageOf(rowsOfAll()), VIEWS[0] as (typeof VIEWS)[number]);
    const count = (selector: string) =>
      browser.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
    assert.deepEqual(
      await Promise.all(['.band', '.odd', '.ahead', '.bar', 'script', 'img', 'link', 'iframe'].map(count)),
      [4, 1, 1, 16, 0, 0, 0, 0],
    );
    assert.equal(await count('.failed'), 4);
    assert.equal(await browser.evaluate('document.title.includes("<script>")'), true);
    assert.ok(Number(await browser.evaluate('document.querySelector(".line").getBoundingClientRect().width')) > 150);
  });

  test('an empty history, one run, and figures that are none, are pages too', async () => {
    const [one] = bootNights({ seed: 1, noise: 0, count: 1 });
    const time = new Date(NOW_MS - 1000).toISOString();
    const odd = ['NaN', -1, null, 1e300, 0].flatMap((value): ReadRow[] => [
      {
        kind: 'boot',
        time,
        host: 'h',
        codec: 'zstd',
        outcome: 'success',
        readBytes: value,
        imageBytes: value,
        durationMs: value,
      },
      { kind: 'guest', time, vmid: 1, outcome: 'ok', bytes: value, archiveBytes: value, MBps: value },
    ]);
    for (const rows of [[], one === undefined ? [] : [one], odd]) {
      const page = pageOf(rows);
      assert.doesNotMatch(page, /NaN|Infinity|undefined|\[object/);
      await show(page, VIEWS[0] as (typeof VIEWS)[number]);
      assert.deepEqual(complaints(), []);
      assert.ok(Number(await browser.evaluate('document.documentElement.scrollWidth')) <= 360);
    }
  });
});

/** For whoever wants to look: LIFEBOAT_PICTURES names a directory. */
async function keepPicture(t: TestContext, browser: Browser, name: string): Promise<void> {
  const directory = process.env.LIFEBOAT_PICTURES;
  if (directory === undefined) return;
  const { cssContentSize } = (await browser.send('Page.getLayoutMetrics')) as {
    cssContentSize: { height: number; width: number };
  };
  const { width, height } = cssContentSize;
  const clip = { x: 0, y: 0, width, height: Math.min(height, 4000), scale: 1 };
  const { data } = await browser.send('Page.captureScreenshot', { captureBeyondViewport: true, clip });
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${name.replaceAll(' ', '-')}.png`), Buffer.from(String(data), 'base64'));
  t.diagnostic(`picture in ${directory}`);
}

/** WCAG 2's contrast of two "rgb(r, g, b)". */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

test('whatever a name holds, it stays text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (words, value) => {
      const made = element('p', { title: value }, text(words));
      const [, attribute = '', content = ''] = /^<p title="([^"]*)">([^<]*)<\/p>$/.exec(made) ?? [];
      const whole = (out: string) => !/[<>"']/.test(out) && !/&(?!(amp|lt|gt|quot|#39);)/.test(out);
      assert.ok(made.length > 0 && whole(attribute) && whole(content), made);
    }),
  );
});

test('the steps of a scale are three to six, even, and none is above the top', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-3, max: 1e18, noNaN: true }),
      fc.constantFrom([1], [1024 ** 3, 1024 ** 2, 1024, 1]),
      (top, units) => {
        const steps = ticks(top, units);
        assert.ok(steps.length >= 3 && steps.length <= 6, `${top}: ${steps}`);
        assert.ok((steps.at(-1) ?? 0) <= top * 1.001 && steps[0] === 0);
      },
    ),
  );
  assert.deepEqual(ticks(3.4), [0, 1, 2, 3]);
  assert.deepEqual(
    ticks(7 * GIB, [GIB, 1]),
    [0, 2, 4, 6].map((value) => value * GIB),
  );
  for (const top of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) assert.deepEqual(ticks(top), [0]);
});
