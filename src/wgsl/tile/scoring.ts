import {PER_UNIT, type Features} from '../text/features.js';
import {HELD_AT} from '../text/held.js';
import {boundTensors, paramsOf} from '../terms/fields.js';
import {besideOf, termsOf} from '../terms/terms.js';
import type {Apart, Beside, ScoreTerm} from '../terms/term.js';
import type {BindingRole, TermRole} from '../text/program.js';
import type {Kinds} from '../../plan/index.js';
import {lines} from '../text/text.js';
import {clipKeys} from './places.js';

/**
 * The text that makes a score of a product of query and key, in the unit of scores (see `hasFarScores`): what terms make of the scaled
 * product, one after another; what they add to that; and hidden where one of them does not show the pair.
 *
 * Queries and keys have numbers `a` and `b`, one for each that an invocation owns or meets: `query(a)` and `key(b)` declare what belongs
 * to one of them, `pair(…, a, b)` uses it. So kernels that own rows and kernels that own keys speak the same text.
 */
export class Scoring {
  private readonly terms: readonly ScoreTerm[];
  private readonly beside: Beside;

  /** `farScale` follows the scale of products where query and key have not taken their parts of it. */
  constructor(
    private readonly features: Features,
    private readonly farScale = '',
  ) {
    this.terms = termsOf(features);
    this.beside = besideOf(features);
  }

  /** The uniform with what terms have in it. */
  get params(): string {
    return paramsOf(this.features);
  }

  /** Tensors with bindings of their own; their elements are floats. */
  get bindings(): readonly TermRole[] {
    return boundTensors(this.features);
  }

  get elements(): Partial<Record<BindingRole, string>> {
    return Object.fromEntries(this.bindings.map((role) => [role, 'f32']));
  }

  /** Functions of the module. */
  get functions(): string {
    return lines(
      biased(this.terms.filter(({adds}) => adds).length),
      this.functionsOf(this.terms.filter(({seen}) => !seen)),
      this.features.ring && this.terms.some(({places}) => places) ? HELD_AT : '',
    );
  }

  /** Those of `slope`, beside the others. */
  get slopeFunctions(): string {
    return lines(...this.terms.map(({slope}) => slope?.functions ?? ''));
  }

  /** Those of what rows have seen before their first key, beside the others. */
  get seenFunctions(): string {
    return lines(...this.terms.filter(({seen}) => seen).map((term) => term.functions?.(this.beside) ?? ''));
  }

  /** Those that rows alone need: of what they have seen before their first key, and of what is taken from all of their scores. */
  get rowFunctions(): string {
    return this.functionsOf(this.terms.filter(({seen, apart}) => seen || apart));
  }

  /** What query number `a` brings: `row` is its index as u32, `line` · queryLength + row its place among all rows. */
  query(a: number, row: string, place: string): string {
    const perHead = 'params.queryLength / params.packedHeads';
    const head = `head * params.packedHeads + ${row} / (${perHead})`;
    const of = {row, place, head, token: `${row} % (${perHead})`};
    return lines(...this.terms.map((term) => term.query?.(a, of, this.beside) ?? ''));
  }

  /** What key number `b` brings; `key` is its index as i32. */
  key(b: number, key: string): string {
    if (!this.terms.some((term) => term.places || term.key || term.adds || term.shows || term.keeps)) return '';
    return lines(
      `let k${b} = ${key};`,
      this.features.ring && this.terms.some(({places}) => places) ? `let held${b} = heldAt(k${b}, heldBy(batch).x);` : '',
      ...this.terms.map((term) => term.key?.(b, this.beside) ?? ''),
    );
  }

  /** Turns the product `s` of query a and key b into its score. */
  pair(s: string, a: number, b: number): string {
    const scaled = `${s} * params.scale${this.farScale}`;
    let score = scaled;
    for (const {moves} of this.terms) if (moves) score = moves(score, a, b, this.beside);
    const added = this.terms.flatMap(({adds}) => (adds ? [adds(a, b, this.beside)] : []));
    if (added.length > 0) score = `${BIASED[added.length] ?? `biased${added.length}`}(${[score, ...added].join(', ')})`;
    for (const {shows} of this.terms) if (shows) score = `select(HIDDEN, ${score}, ${shows(a, b)})`;
    return score === `${s} * params.scale` ? `${s} *= params.scale;` : `${s} = ${score};`;
  }

  /** The derivative of a score by its product times the scale; empty for 1. To be asked before `pair`. */
  slope(s: string, a: number, b: number): string {
    let score = `${s} * params.scale${this.farScale}`;
    const slopes: string[] = [];
    for (const {moves, slope} of this.terms) {
      if (slope) slopes.push(slope.of(score, a, b));
      if (moves) score = moves(score, a, b, this.beside);
    }
    return slopes.join(' * ');
  }

  /** Whether some probabilities are left out, and the factor of one. */
  get keeps(): boolean {
    return this.terms.some(({keeps}) => keeps);
  }

  kept(a: number, b: number): string {
    return this.terms.flatMap(({keeps}) => (keeps ? [keeps(a, b)] : [])).join(' * ');
  }

  /** Whether sequences have fewer keys than the schedule visits. */
  get clips(): boolean {
    return this.beside.clips;
  }

  /** How many keys those have, as i32. */
  get keyCount(): string {
    return this.beside.keyCount('batch');
  }

  /** The clip of a span of keys to those that a sequence has; '' where all have as many as their tensors. */
  clip(kinds: Kinds): string {
    return this.clips ? clipKeys(kinds, this.keyCount) : '';
  }

  /** What row `own` of a line has seen before its first key, as (maximum, sum); null for nothing. */
  seen(head: string, own: string, batch: string): string | null {
    return this.terms.find(({seen}) => seen)?.seen?.pair(head, own, batch) ?? null;
  }

  /** The same of a query head, as a logarithm in words of calls. */
  seenLogit(query: string): string | null {
    return this.terms.find(({seen}) => seen)?.seen?.logit(query) ?? null;
  }

  /** What scores of a row are less by than they should be, in words of calls; null for nothing. */
  apart(query: string, token: string, batch: string): Apart | null {
    return this.beside.apart(query, token, batch);
  }

  private functionsOf(terms: readonly ScoreTerm[]): string {
    const readsFloats = terms.some(({brings = []}) => brings.some(({floats}) => floats));
    return lines(readsFloats ? EXTRA : '', ...terms.map((term) => term.functions?.(this.beside) ?? ''));
  }
}

/** A float that travels in the tail of the schedule. */
const EXTRA = /* wgsl */ `
fn extra(at: u32) -> f32 { return bitcast<f32>(schedule[at].x); }
`;

/** By how many numbers are added. */
const BIASED: Readonly<Record<number, string>> = {1: 'biased', 2: 'biasedTwice'};

/** The score of a pair with what is added to it. */
function biased(count: number): string {
  if (count === 0) return '';
  return count === 1 ? BIASED_ONCE : count === 2 ? BIASED_ONCE + BIASED_TWICE : biasedMore(count);
}

/** The score of a pair with an additive bias. Minus infinity hides the pair; NaN passes through the select. */
const BIASED_ONCE = /* wgsl */ `
fn biased(score: f32, bias: f32) -> f32 {
  return select(fma(bias, ${PER_UNIT}, score), HIDDEN, bitcast<u32>(bias) == 0xff800000u);
}
`;

/**
 * Two biases, whose sum may be past float32 before it is a score. The select between the products keeps compilers from adding first: Mesa's
 * takes the factor out of a · c + b · c.
 */
const BIASED_TWICE = /* wgsl */ `
fn biasedTwice(score: f32, bias: f32, other: f32) -> f32 {
  let hides = bitcast<u32>(other) == 0xff800000u;
  let both = fma(bias, ${PER_UNIT}, select(other * ${PER_UNIT}, 0.0, hides));
  let shown = select(score + both, HIDDEN, bitcast<u32>(bias) == 0xff800000u);
  return select(shown, HIDDEN, hides); // no ||, a branch for each pair
}
`;

/** The same of any number of them. */
function biasedMore(count: number): string {
  const numbers = Array.from({length: count}, (_, i) => i);
  return lines(
    `fn biased${count}(score: f32, ${numbers.map((i) => `bias${i}: f32`).join(', ')}) -> f32 {`,
    'var sum = score;',
    'var shown = true;',
    ...numbers.map((i) =>
      lines(
        `let hides${i} = bitcast<u32>(bias${i}) == 0xff800000u;`,
        `sum += select(bias${i} * ${PER_UNIT}, 0.0, hides${i});`,
        `shown = shown & !hides${i};`,
      ),
    ),
    'return select(HIDDEN, sum, shown);',
    '}\n',
  );
}

/** For kernels that know one bias alone. */
export const ONE_BIAS = BIASED_ONCE;
