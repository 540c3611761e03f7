import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { LifeboatError } from '../error.js';
import type { Report } from '../metrics/report.js';
import { printable } from './columns.js';
import { withCommonOptions } from './common-options.js';
import { EXIT_WORDS } from './exit-words.js';
import type { Face } from './face.js';
import type { ChosenVerb } from './verb.js';

const MOST_DAYS = 3650;

function build(yargs: Argv) {
  return withCommonOptions(yargs)
    .usage(
      'lifeboat report\n\nShows from the history how each source is saved, what is usual, what is not, and what to do about it. ' +
        'Alerts do not change the exit status.',
    )
    .option('html', {
      type: 'string',
      requiresArg: true,
      describe: 'Write one page with charts that needs nothing else',
    })
    .option('prometheus', {
      type: 'string',
      requiresArg: true,
      describe: "Write a file for node_exporter's textfile collector: its name ends in .prom",
    })
    .option('source', { type: 'string', requiresArg: true, describe: 'Only sources with this in their name' })
    .option('days', { type: 'number', default: 90, requiresArg: true, describe: 'How far back the runs are shown' })
    .option('notify', {
      type: 'boolean',
      default: false,
      describe: 'Tell alerts that are new to those whom the configuration names, for cron',
    })
    .example('lifeboat report', 'how it went, and what is wrong')
    .example('lifeboat report --html /var/www/lifeboat.html', 'the same with charts')
    .example(
      'lifeboat report -q --notify --prometheus /var/lib/prometheus/node-exporter/lifeboat.prom',
      'each hour, from cron',
    )
    .epilogue(EXIT_WORDS);
}

export function addReport(yargs: Argv, command: string, choose: (verb: ChosenVerb) => void): Argv {
  return yargs.command(command, 'How runs went, and what to look after', build, (argv) => {
    const { days, source, html, prometheus } = argv;
    if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS)
      throw new LifeboatError('USAGE', `--days takes 1 to ${MOST_DAYS}, not ${days}`);
    if (prometheus !== undefined && prometheus !== '-' && !prometheus.endsWith('.prom'))
      throw new LifeboatError('USAGE', `--prometheus takes a name that ends in .prom, not "${prometheus}"`, {
        hint: 'node_exporter reads no other files',
      });
    const toStdout = [argv.json, html === '-', prometheus === '-'].filter((wants) => wants).length;
    if (toStdout > 1) throw new LifeboatError('USAGE', '--json, --html - and --prometheus - all want stdout');
    choose({
      options: argv,
      async action({ face }) {
        const { readConfig } = await import('../config/read-config.js');
        const { config } = readConfig();
        const report = await load(config, { days, source }, face);
        if (html !== undefined) {
          const { PAGE_MARK, reportPage } = await import('../metrics/page/report-page.js');
          const { VERSION } = await import('../version.js');
          await put(html, reportPage(report, hostname(), VERSION), { mark: PAGE_MARK, mode: HTML_MODE });
        }
        if (prometheus !== undefined) {
          const { PROMETHEUS_MARK, prometheusText } = await import('../metrics/prometheus.js');
          const { VERSION } = await import('../version.js');
          const text = prometheusText(report, VERSION);
          await put(prometheus, text, { mark: PROMETHEUS_MARK, mode: PROMETHEUS_MODE });
        }
        if (toStdout === 0 && !argv.quiet) {
          const { reportTable } = await import('../metrics/report-table.js');
          const { speaksUnicode } = await import('../metrics/sparkline.js');
          const lines = reportTable(report, speaksUnicode(process.env)).map(printable);
          process.stdout.write(`${lines.join('\n')}\n`);
        }
        if (argv.notify) {
          const { tellAlerts } = await import('./alert-duty.js');
          const told = await tellAlerts(config, { timeoutMs: TELL_LIMIT_MS, warn: face.warn });
          face.detail(`alerts told: ${told.length}`);
        }
        face.answer(await answerOf(report));
        return 0;
      },
    });
  });
}

const TELL_LIMIT_MS = 10_000;
/** It tells names of hosts and guests. */
const HTML_MODE = 0o600;
/** node_exporter is another user's, and must be able to read it. */
const PROMETHEUS_MODE = 0o644;

async function load(
  config: import('../config/schema.js').Config,
  { days, source }: { days: number; source: string | undefined },
  face: Face,
): Promise<Report> {
  const { directory } = config.history;
  const { readHistory } = await import('../metrics/history.js');
  const history = await readHistory(directory);
  const { readCalibration } = await import('../metrics/calibration-file.js');
  const calibration = readCalibration(directory);
  if (calibration === undefined)
    face.detail('this host is not calibrated, so that no time of recovery is known: lifeboat bench --save');
  const { alertFactsOf } = await import('./alert-duty.js');
  const { makeReport } = await import('../metrics/report.js');
  const facts = alertFactsOf(config, new Date());
  const report = makeReport(history, { facts, days, source, calibration });
  if (source === undefined || report.sources.length > 0) return report;
  const all = makeReport(history, { facts, days, source: undefined, calibration });
  const names = all.sources.map(({ name }) => name);
  throw new LifeboatError('USAGE', `No source has "${source}" in its name`, {
    hint: names.length === 0 ? 'the history has no runs' : `there are: ${names.join(', ')}`,
  });
}

/** @param path or `-`. @throws LifeboatError rather than replace what is not a report */
async function put(path: string, text: string, how: { mark: string; mode: number }): Promise<void> {
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  const { writeReport } = await import('../metrics/report-file.js');
  writeReport(path, text, how);
}

/** What programs get: figures, and nothing of what the page draws. */
async function answerOf({ nowMs, days, sources, targets, alerts, restored, notes }: Report): Promise<object> {
  return {
    madeAt: new Date(nowMs).toISOString(),
    days,
    sources: sources.map(({ runs, last, lastGood, provenMs, recovery, ...source }) => ({
      ...source,
      runs: runs.map(({ run, odd }) => ({ time: new Date(run.timeMs).toISOString(), ok: run.ok, odd })),
      last: timed(last),
      lastGood: lastGood === undefined ? null : timed(lastGood),
      baseline: runs.at(-1)?.baseline ?? null,
      verifiedAt: provenMs === undefined ? null : new Date(provenMs).toISOString(),
      predictedRestoreMs: recovery === undefined ? null : Math.round(recovery.ms),
    })),
    targets: targets.map(({ points, ...target }) => target),
    alerts,
    restores: restored.map(timed),
    notes,
  };
}

function timed<T extends { timeMs: number }>({ timeMs, ...rest }: T): object {
  return { time: new Date(timeMs).toISOString(), ...rest };
}
