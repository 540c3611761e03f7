import { LifeboatError } from '../error.js';

/**
 * What `--gpu` says: `auto`, `all`, or a list of names and numbers; one that is in it twice is fed by two threads.
 * @throws LifeboatError USAGE
 */
export function gpusOf(text: string): readonly string[] {
  const wanted = text.split(',').map((each) => each.trim());
  if (wanted.includes('')) {
    throw new LifeboatError('USAGE', `--gpu takes names or numbers of graphics cards, not "${text}"`, {
      hint: 'lifeboat gpu shows them; --gpu 0,1 or --gpu all has several share the work',
    });
  }
  return wanted;
}
