import type { Codec, EngineName } from '../codec/codec.js';
import { LifeboatError } from '../error.js';

export type EngineChoice = 'auto' | EngineName;

/**
 * The engine to use: native where its library is there, else portable.
 * @throws LifeboatError FAILED with what to install if there is none, USAGE if the codec never has that engine
 */
export function chooseEngine(codec: Codec, choice: EngineChoice): EngineName {
  if (choice !== 'auto') {
    const missing = codec.missing(choice);
    // An engine that the codec never has is asked for in vain on any host.
    const never = codec.levels(choice) === undefined;
    if (missing !== undefined) throw new LifeboatError(never ? 'USAGE' : 'FAILED', missing);
    return choice;
  }
  const missing = codec.missing('native');
  if (missing === undefined) return 'native';
  if (codec.missing('portable') === undefined) return 'portable';
  throw new LifeboatError('FAILED', missing);
}

/**
 * The engine for compressing at a level. With `auto` a level that only the native engine has wants that engine.
 * @throws LifeboatError USAGE if the level does not exist, with the reason
 */
export function chooseEncoder(codec: Codec, choice: EngineChoice, level: number): EngineName {
  const engine = chooseEngine(codec, choice);
  if (hasLevel(codec, engine, level)) return engine;
  const range = codec.levels(engine);
  const ranges = range === undefined ? 'none' : `${range.min} to ${range.max}`;
  const other: EngineName = engine === 'native' ? 'portable' : 'native';
  if (!hasLevel(codec, other, level)) {
    throw new LifeboatError('USAGE', `${codec.name} has no level ${level}: its ${engine} engine takes ${ranges}`);
  }
  const missing = codec.missing(other);
  throw new LifeboatError(
    'USAGE',
    `Only the ${other} engine of ${codec.name} has level ${level}; ${engine} takes ${ranges}`,
    {
      hint: missing === undefined ? `use --engine ${other}` : missing,
    },
  );
}

function hasLevel(codec: Codec, engine: EngineName, level: number): boolean {
  const range = codec.levels(engine);
  return range !== undefined && Number.isInteger(level) && level >= range.min && level <= range.max;
}
