import {Pattern, refusePattern} from '../../pattern/index.js';
import {oneOf, readOptions, refuse, type Given, type NamesOf} from '../../support/index.js';
import type {SwapReport} from './report.js';

/** Where queries stand among keys: the last at the last key, or the first at the first. */
export type Align = 'end' | 'start';

/** What a swap takes. */
export interface SwapOptions {
  /**
   * Who attends to whom: one pattern for every attention that is swapped, or an array with one for each, in the order of
   * `report.replaced`: that in which they are computed, the first layer first; those in the bodies of loops come last. A causal mask of
   * the model stays in force besides. A `perHead` has one for each head of an attention, the last axis before its tokens: as many as there
   * are when the model runs.
   */
  readonly pattern: Pattern | readonly Pattern[];
  /**
   * Where the queries of an attention stand among its keys when there are more or fewer of them: the last query at the last key
   * (`'end'`, as a decoder has it and `sparseAttention`), or the first at the first (`'start'`). One for all, or an array as that of the
   * patterns. Default 'end'. Where a causal mask of the model itself says where queries stand, that holds, and a note tells.
   */
  readonly align?: 'end' | 'start' | readonly ('end' | 'start')[] | null | undefined;
  /** As in `sparseAttention`. Default 'auto'. */
  readonly implementation?: 'auto' | 'fused' | 'dense' | null | undefined;
  /**
   * Fold runs of small nodes around the attention into single ones: dense layers, layer norms, activations, the splitting and merging of heads.
   * Numbers change by rounding alone. Default true; `report.folded` says what was done. False leaves all nodes but the attention's.
   */
  readonly fold?: boolean | null | undefined;
  /** Called with the report, before a model is built. */
  readonly onReport?: ((report: SwapReport) => void) | null | undefined;
  /**
   * Throw unless every attention that was found could be swapped, and there is one. Default false: what cannot be swapped stays as it
   * is, and the report says why.
   */
  readonly strict?: boolean | null | undefined;
}

export const SWAP_NAMES: NamesOf<SwapOptions> = {
  pattern: true,
  align: true,
  implementation: true,
  fold: true,
  onReport: true,
  strict: true,
};
const IMPLEMENTATIONS = ['auto', 'fused', 'dense'] as const;
const ALIGNMENTS: readonly Align[] = ['end', 'start'];

/** Throws a `SplatError` that names the option unless all of them make sense. `caller` is the function that was called. */
export function checkOptions(
  caller: string,
  options: SwapOptions | null | undefined,
): Required<Omit<Given<SwapOptions>, 'onReport' | 'align'>> & Given<SwapOptions> {
  refuseBarePattern(caller, options);
  const given = readOptions(options ?? ({} as SwapOptions), SWAP_NAMES, {
    all: `${caller} options`,
    expected: 'an object such as {pattern: slidingWindow({left: 64, right: 64})}',
    cure: 'Name each option.',
    one: (name) => `${caller} option '${name}'`,
  });
  const {pattern, align, implementation = 'auto', fold = true, strict = false} = given;
  if (!(pattern instanceof Pattern)) {
    const expected = 'a Pattern, or an array of one for each attention';
    if (!Array.isArray(pattern)) refusePattern(`${caller} pattern`, pattern, expected);
    const wrong = (pattern as readonly unknown[]).findIndex((each) => !(each instanceof Pattern));
    if (wrong >= 0) refusePattern(`${caller} pattern[${wrong}]`, pattern[wrong]);
  }
  const alignments: readonly unknown[] = Array.isArray(align) ? align : [align];
  if (align !== undefined)
    for (const each of alignments)
      oneOf(`${caller} align`, each, ALIGNMENTS, "Leave it out for 'end'.", "'end', 'start' or an array of them");
  oneOf(`${caller} implementation`, implementation, IMPLEMENTATIONS, "Leave it out for 'auto'.");
  if (typeof fold !== 'boolean') refuse(`${caller} fold`, String(fold), 'true or false', 'Leave it out for true.');
  if (typeof strict !== 'boolean') refuse(`${caller} strict`, String(strict), 'true or false', 'Leave it out for false.');
  return {...given, pattern: pattern as Pattern | readonly Pattern[], implementation, fold, strict};
}

/** `loadGraphModel(url, full())`: a pattern is an object too, and its fields are no options. */
function refuseBarePattern(caller: string, options: unknown): void {
  const expected = 'an object such as {pattern: full()}';
  if (options instanceof Pattern) {
    const text = brief(String(options));
    refuse(`${caller} options`, `the pattern ${text}`, expected, `Write ${caller}(…, {pattern: ${text}}).`);
  }
  if (Array.isArray(options)) refuse(`${caller} options`, 'an array', expected, 'Write {pattern: [first, second, …]}.');
  if (typeof options === 'function') {
    refuse(`${caller} options`, 'a function', expected, 'Call the builder, and write {pattern: causal()}.');
  }
}

const brief = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}…` : text);
