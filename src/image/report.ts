/** What a verb tells while it runs; the command line gives it a face. */
export interface RunReport {
  /** Something the user must know. One line. */
  warn(text: string): void;
  /** A detail, for -v and the log. */
  detail(text: string): void;
  /** Shows how far a phase is until the returned function is called. */
  follow(phase: string, snapshot: () => ProgressSnapshot): () => void;
}

/** Bytes so far. */
export interface ProgressSnapshot {
  doneBytes: number;
  /** Undefined where only the end will tell. */
  totalBytes: number | undefined;
  readBytes: number;
  writtenBytes: number;
}

/** Tells, and keeps what is told. @param keep gets a line each, without the time */
export function keepingReport(report: RunReport, keep: (line: string) => void): RunReport {
  return {
    warn(text) {
      keep(`warning: ${text}`);
      report.warn(text);
    },
    detail(text) {
      keep(text);
      report.detail(text);
    },
    follow: (phase, snapshot) => report.follow(phase, snapshot),
  };
}
