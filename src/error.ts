/** What went wrong, as a class of outcome. Each has one exit status, in the table below and nowhere else. */
export type ErrorCode =
  | 'FAILED'
  | 'PARTIAL'
  | 'BUSY'
  | 'KEY'
  | 'DAMAGE'
  | 'NO_SPACE'
  | 'USAGE'
  | 'NEEDS_ROOT'
  | 'CONFIG';

/** The documented exit statuses (docs and `--help` show this table). */
export const EXIT_STATUS: Readonly<Record<ErrorCode, number>> = {
  FAILED: 1,
  PARTIAL: 3,
  BUSY: 11,
  KEY: 12,
  DAMAGE: 13,
  NO_SPACE: 14,
  USAGE: 64,
  NEEDS_ROOT: 77,
  CONFIG: 78,
};

export interface ErrorFacts {
  /** What to type or do next, one sentence. */
  hint?: string | undefined;
  cause?: unknown;
  /** Where in the source, image or target, in bytes. */
  offset?: number | undefined;
}

/**
 * An error a user is meant to read: the message says what was attempted, on which path and offset.
 * Everything else that is thrown is a defect of ours and is reported as such.
 */
export class LifeboatError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'LifeboatError';
    this.code = code;
    this.hint = facts.hint;
    this.offset = facts.offset;
  }

  get exitStatus(): number {
    return EXIT_STATUS[this.code];
  }
}

/** The words of what was thrown, whatever that was. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** One line of an error and what to do: "there is no x; apt install x". */
export function withHint({ message, hint }: { message: string; hint: string | undefined }): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}

/**
 * Gives a system call's failure its class and its words: `fromSystem(e, 'write', '/mnt/nas/x.zst', 4096)`.
 * @param action what was attempted, as an infinitive: "open", "read", "write"
 */
export function fromSystem(error: unknown, action: string, path: string, offset?: number): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const errno = (error as NodeJS.ErrnoException | undefined)?.code;
  const where = offset === undefined ? '' : ` at offset ${offset}`;
  const why =
    error instanceof Error
      ? error.message.replace(/, (open|read|write|lstat|stat|rename|unlink).*$/, '')
      : String(error);
  const facts: ErrorFacts = { cause: error, offset };
  const message = `Cannot ${action} "${path}"${where}: ${why}`;
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new LifeboatError('NO_SPACE', message, {
        ...facts,
        hint: `free some room (df -h "${path}") or choose another target`,
      });
    case 'EACCES':
    case 'EPERM':
      if (process.getuid?.() !== 0)
        return new LifeboatError('NEEDS_ROOT', message, { ...facts, hint: 'run it as root' });
      break;
  }
  return new LifeboatError('FAILED', message, facts);
}
