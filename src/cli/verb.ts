import type { Face } from './face.js';

/** What a verb needs of the world. */
export interface VerbContext {
  face: Face;
  signal: AbortSignal;
}

/** A verb's work; gives the exit status. */
export type VerbAction = (context: VerbContext) => Promise<number>;

/** Filled in by the command that was chosen, so that parsing is over before anything is done. */
export interface ChosenVerb {
  options: { json: boolean; quiet: boolean; verbose: boolean };
  action: VerbAction;
}
