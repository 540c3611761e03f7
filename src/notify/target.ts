export type Outcome = 'success' | 'warning' | 'failure';

/** A file that holds a secret (absolute path) or the name of a systemd credential. */
type SecretFile = string;

export interface MailTarget {
  type: 'mail';
  on: readonly Outcome[];
  /** One address or local name, or several with commas between. */
  to: string;
}

export interface WebhookTarget {
  type: 'webhook';
  on: readonly Outcome[];
  url: string;
  'token-file'?: SecretFile | undefined;
}

export interface NtfyTarget {
  type: 'ntfy';
  on: readonly Outcome[];
  /** With the topic. */
  url: string;
  'token-file'?: SecretFile | undefined;
}

export interface GotifyTarget {
  type: 'gotify';
  on: readonly Outcome[];
  /** Without `/message`. */
  url: string;
  'token-file': SecretFile;
}

/** Wants every outcome and the start: what it does not hear of is what it raises the alarm for. */
export interface HealthchecksTarget {
  type: 'healthchecks';
  url?: string | undefined;
  'url-file'?: SecretFile | undefined;
}

export type HttpTarget = WebhookTarget | NtfyTarget | GotifyTarget | HealthchecksTarget;

/** Who is told, in the shape that the configuration has. */
export type NotifyTarget = MailTarget | HttpTarget;
