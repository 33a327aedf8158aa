import {Pattern} from '../pattern/index.js';
import {nearestName, readOptions, refuse, type Given, type NamesOf} from '../support/index.js';
import type {SwapReport} from './report.js';

/** What a swap takes. */
export interface SwapOptions {
  /**
   * Who attends to whom: one pattern for every attention that is swapped, or an array with one for each, in the order of
   * `report.replaced`: that in which they are computed, the first layer first; those in the bodies of loops come last. A causal mask of
   * the model stays in force besides.
   */
  readonly pattern: Pattern | readonly Pattern[];
  /** As in `sparseAttention`. Default 'auto'. */
  readonly implementation?: 'auto' | 'fused' | 'dense' | null | undefined;
  /** Called with the report, before a model is built. */
  readonly onReport?: ((report: SwapReport) => void) | null | undefined;
  /**
   * Throw unless every attention that was found could be swapped, and there is one. Default false: what cannot be swapped stays as it
   * is, and the report says why.
   */
  readonly strict?: boolean | null | undefined;
}

export const SWAP_NAMES: NamesOf<SwapOptions> = {pattern: true, implementation: true, onReport: true, strict: true};
const IMPLEMENTATIONS = ['auto', 'fused', 'dense'];

/** Throws a `SplatError` that names the option unless all of them make sense. `caller` is the function that was called. */
export function checkOptions(
  caller: string,
  options: SwapOptions | null | undefined,
): Required<Omit<Given<SwapOptions>, 'onReport'>> & Given<SwapOptions> {
  const given = readOptions(options ?? ({} as SwapOptions), SWAP_NAMES, {
    all: `${caller} options`,
    expected: 'an object such as {pattern: slidingWindow({left: 64, right: 64})}',
    cure: 'Name each option.',
    one: (name) => `${caller} option '${name}'`,
  });
  const {pattern, implementation = 'auto', strict = false} = given;
  if (!(pattern instanceof Pattern) && !(Array.isArray(pattern) && pattern.every((each) => each instanceof Pattern))) {
    const found = pattern === undefined ? 'none' : Array.isArray(pattern) ? 'an array with something else in it' : typeof pattern;
    const cure = 'Give one, such as {pattern: slidingWindow({left: 64, right: 64})}; full() keeps the attention as it is.';
    refuse(`${caller} pattern`, found, 'a Pattern, or an array of one for each attention', cure);
  }
  if (!IMPLEMENTATIONS.includes(implementation)) {
    const near = nearestName(String(implementation), IMPLEMENTATIONS);
    const cure = near ? `Did you mean '${near}'?` : "Leave it out for 'auto'.";
    refuse(`${caller} implementation`, `'${String(implementation)}'`, IMPLEMENTATIONS.join(', '), cure);
  }
  if (typeof strict !== 'boolean') refuse(`${caller} strict`, String(strict), 'true or false', 'Leave it out for false.');
  return {...given, pattern: pattern as Pattern | readonly Pattern[], implementation, strict};
}
