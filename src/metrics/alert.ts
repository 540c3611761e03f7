export type AlertKind =
  | 'ratio-low'
  | 'ratio-high'
  | 'slow'
  | 'long'
  | 'window'
  | 'shift'
  | 'filling'
  | 'no-success'
  | 'unverified'
  | 'unrehearsed';

/** Something that an admin should know before the day it matters. */
export interface Alert {
  kind: AlertKind;
  /** The source's or the target's own name; with the kind it tells one alert from another. */
  about: string;
  /** The same for people. */
  name: string;
  /** From 1; larger is worse. It is told again only when it has got worse. */
  grade: number;
  /** What was found, with its numbers. */
  what: string;
  /** What it may mean. */
  means: string;
  /** What to do about it. */
  todo: string;
}

/** What the history does not tell. Times in milliseconds. */
export interface AlertFacts {
  nowMs: number;
  /** A boot disk is meant to be saved: where to is configured. */
  expectsBoot: boolean;
  /** Archives of guests are meant to be verified. */
  verifiesGuests: boolean;
  /** How long a run may take; undefined: as long as there is from one to the next. */
  windowMs: number | undefined;
  /** How old the last good run may be; undefined: what its schedule was so far. */
  maxAgeMs: number | undefined;
  verifyEveryMs: number;
  rehearseEveryMs: number;
  /** Fewer days until a target is full are worth an alert. */
  leastDaysLeft: number;
}
