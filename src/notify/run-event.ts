/** What is told of a run. */
export interface RunEvent {
  event: 'start' | 'success' | 'warning' | 'failure';
  host: string;
  /**
   * One line without the host: "boot disk saved", "boot disk saved with 2 warnings". Of a failure only what failed, "boot
   * disk": that it FAILED, its exit status and the first line of `text` follow by themselves.
   */
  title: string;
  /** A failure's first line is why. */
  text: string;
  exitStatus?: number;
  /** Oldest first. */
  logTail?: readonly string[];
  /** The set's path. */
  set?: string;
}
