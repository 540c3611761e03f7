import type { Report, SourceReport } from './report.js';
import type { Run } from './saved-run.js';
import { DAY_MS } from './words.js';

/** What a file that is replaced begins with; node_exporter passes comments over. */
export const PROMETHEUS_MARK = '# Written by lifeboat report';

interface Metric {
  name: string;
  help: string;
  samples: { labels: Readonly<Record<string, string>>; value: number | undefined }[];
}

/**
 * The report for node_exporter's textfile collector, in Prometheus' text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Base units: seconds, bytes. Each name once, with all of
 * its samples, as the format wants it; no time stamps, which the collector refuses.
 */
export function prometheusText(report: Report, version: string): string {
  const sources = report.sources.filter(({ isFormer }) => !isFormer);
  const of = (name: string, help: string, value: (source: SourceReport) => number | undefined): Metric => ({
    name,
    help,
    samples: sources.map((source) => ({
      labels: { kind: source.kind, source: source.source, name: source.name },
      value: value(source),
    })),
  });
  const good = (name: string, help: string, value: (run: Run) => number | undefined) =>
    of(name, `${help} of the last good run.`, ({ lastGood }) => (lastGood === undefined ? undefined : value(lastGood)));
  const target = (name: string, help: string, value: (one: Report['targets'][number]) => number | undefined) => ({
    name,
    help,
    samples: report.targets.map((one) => ({ labels: { path: one.path }, value: value(one) })),
  });
  const one = (name: string, help: string, value: number, labels = {}): Metric => ({
    name,
    help,
    samples: [{ labels, value }],
  });
  const metrics: Metric[] = [
    one('lifeboat_info', 'The version that wrote this.', 1, { version }),
    one('lifeboat_report_timestamp_seconds', 'When this was written.', report.nowMs / 1000),
    of('lifeboat_last_run_timestamp_seconds', 'When the last run began.', ({ last }) => last.timeMs / 1000),
    of('lifeboat_last_run_success', 'Whether the last run was a good one.', ({ last }) => (last.ok ? 1 : 0)),
    good('lifeboat_last_success_timestamp_seconds', 'Begin', ({ timeMs }) => timeMs / 1000),
    good('lifeboat_duration_seconds', 'Duration', ({ durationMs }) => seconds(durationMs)),
    good('lifeboat_processor_seconds', 'Processor time', ({ processorMs }) => seconds(processorMs)),
    good('lifeboat_plain_bytes', 'Size of the disk', ({ plainBytes }) => plainBytes),
    good('lifeboat_read_bytes', 'Bytes read', ({ readBytes }) => readBytes),
    good('lifeboat_image_bytes', 'Size of the image', ({ imageBytes }) => imageBytes),
    good('lifeboat_compression_ratio', 'Bytes read by bytes stored', ({ ratio }) => ratio),
    good('lifeboat_throughput_bytes_per_second', 'Bytes read a second', ({ bytesPerSecond }) => bytesPerSecond),
    of('lifeboat_last_verified_timestamp_seconds', 'When a backup was last proven whole.', ({ provenMs }) =>
      seconds(provenMs),
    ),
    of('lifeboat_restore_predicted_seconds', 'How long restoring the last good image takes.', ({ recovery }) =>
      seconds(recovery?.ms),
    ),
    target('lifeboat_target_free_bytes', 'Room left where sets are kept, after the last run.', (one) => one.freeBytes),
    target('lifeboat_target_size_bytes', 'Size of the file system where sets are kept.', (one) => one.sizeBytes),
    target('lifeboat_target_full_seconds', 'Time until it is full, as it goes.', ({ fullInDays }) =>
      fullInDays === undefined ? undefined : seconds(fullInDays * DAY_MS),
    ),
    {
      name: 'lifeboat_alert',
      help: 'An alert of lifeboat report; the value is its grade, larger is worse.',
      samples: report.alerts.map(({ kind, about, name, grade }) => ({
        labels: { alert: kind, about, name },
        value: grade,
      })),
    },
    one('lifeboat_alerts', 'How many alerts there are.', report.alerts.length),
  ];
  return `${PROMETHEUS_MARK}\n${metrics.map(metricText).join('')}`;
}

function metricText({ name, help, samples }: Metric): string {
  const lines = samples.flatMap(({ labels, value }) =>
    value === undefined || !Number.isFinite(value) ? [] : [`${name}${labelsText(labels)} ${value}\n`],
  );
  return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Those three are all that the format escapes. */
function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
