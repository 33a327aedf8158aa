import {FAR_UNIT, type Features} from '../text/features.js';
import {heldScores} from '../text/held.js';
import {lines} from '../text/text.js';

/** Scores in their unit from numbers as calls give them. */
const PER_UNIT = 1 / FAR_UNIT;

/**
 * The text that makes a score of a product of query and key, in the unit of scores (see `hasFarScores`):
 * softcap(scale · product) − slope · |position − key| + bias + relative bias; pairs of other segments are hidden.
 *
 * Queries and keys have numbers `a` and `b`, one for each that an invocation owns or meets: `query(a)` and `key(b)` declare what belongs
 * to one of them, `pair(…, a, b)` uses it. So kernels that own rows and kernels that own keys speak the same text.
 */
export class Scoring {
  /** `farScale` follows the scale of products where query and key have not taken their parts of it. */
  constructor(
    private readonly features: Features,
    private readonly farScale = '',
  ) {}

  /** Functions of the module. */
  get functions(): string {
    const {bias, relative, softcap, dropout, alibi, ring, lengths} = this.features;
    return lines(
      bias || relative ? BIASED : '',
      bias && relative ? BIASED_TWICE : '',
      softcap ? CAPPED : '',
      dropout ? KEPT : '',
      alibi && !ring ? standing(lengths) : '',
      heldScores(this.features),
    );
  }

  /** What query number `a` brings: `row` is its index as u32, `line` · queryLength + row its place among all rows. */
  query(a: number, row: string, place: string): string {
    const {bias, alibi, relative, segments, dropout, ring} = this.features;
    const perHead = 'params.queryLength / params.packedHeads';
    return lines(
      bias && !ring ? `let bias${a} = dot(vec3u(batch, head, ${row}), params.biasStrides.xyz);` : '',
      bias && ring
        ? `let bias${a} = biasBase(batch) + dot(vec3u(batch, head * params.packedHeads + ${row} / (${perHead}), ${row} % (${perHead})), params.biasStrides.xyz);`
        : '',
      alibi ? `let slope${a} = extra(params.alibiSlopes + head * params.packedHeads + ${row} / (${perHead})) * ${PER_UNIT};` : '',
      alibi
        ? `let position${a} = ${ring ? `i32(${row} % (${perHead})) + heldBy(batch).y` : `standsAt(${row} % (${perHead}), batch)`};`
        : '',
      relative
        ? `let relative${a} = params.relativeBias + (head * params.packedHeads + ${row} / (${perHead})) * params.relativeStride + ${perHead} - 1u - ${row} % (${perHead});`
        : '',
      segments ? `let segment${a} = schedule[params.querySegments + batch * params.queryLength + ${row}].x;` : '',
      dropout ? `let random${a} = mixed(${place} + params.seed);` : '',
    );
  }

  /** What key number `b` brings; `key` is its index as i32. */
  key(b: number, key: string): string {
    const {bias, alibi, relative, segments, dropout, ring} = this.features;
    if (!(bias || alibi || relative || segments || dropout)) return '';
    return lines(
      `let k${b} = ${key};`,
      (alibi || bias) && ring ? `let held${b} = heldAt(k${b}, heldBy(batch).x);` : '',
      bias ? `let b${b} = u32(${ring ? 'held' : 'k'}${b}) * params.biasStrides.w;` : '',
      segments ? `let theirs${b} = schedule[params.keySegments + batch * params.keyLength + u32(k${b})].x;` : '',
    );
  }

  /** Turns the product `s` of query a and key b into its score. */
  pair(s: string, a: number, b: number): string {
    const {bias, softcap, alibi, relative, segments, ring} = this.features;
    const scaled = `${s} * params.scale${this.farScale}`;
    let score = scaled;
    if (softcap) score = `capped(${score})`;
    if (alibi) {
      const distance = `f32(abs(position${a} - ${ring ? 'held' : 'k'}${b}))`;
      score = `(${score} - slope${a} * ${distance})`;
    }
    const added = [...(bias ? [`bias[bias${a} + b${b}]`] : []), ...(relative ? [`extra(relative${a} + u32(k${b}))`] : [])];
    if (added.length > 0) score = `biased${added.length === 2 ? 'Twice' : ''}(${[score, ...added].join(', ')})`;
    if (segments) score = `select(HIDDEN, ${score}, segment${a} == theirs${b})`;
    return score === `${s} * params.scale` ? `${s} *= params.scale;` : `${s} = ${score};`;
  }

  /** The factor of a probability under dropout. */
  kept(a: number, b: number): string {
    return `kept(random${a}, k${b})`;
  }
}

/** The clip of a span to the keys that a sequence has, and the score it leaves. */
export const clipped = (lengths: boolean): string =>
  lengths
    ? lines(
        'let keysLeft = schedule[params.keyLengths + batch].x - keysOf.x;',
        // Integer division rounds towards zero: no key is left where the first lies past the end.
        'y.y = min(y.y, select((keysLeft + keysOf.y - 1) / keysOf.y, 0, keysLeft <= 0));',
      )
    : '';

/** The score of a pair with an additive bias. Minus infinity hides the pair; NaN passes through the select. */
export const BIASED = /* wgsl */ `
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

/**
 * Where a query stands for ALiBi: at the key nearest to it. Distances from there are small where it is far from all keys, and differences
 * of distances are the same. `beyond` is the rest, the same for all keys of a row: what sinks and the log-sum-exp have of it.
 */
export const standing = (lengths: boolean): string => /* wgsl */ `
fn lastKey(batch: u32) -> i32 {
  return ${lengths ? 'clamp(schedule[params.keyLengths + batch].x, 1, i32(params.keyLength))' : 'i32(params.keyLength)'} - 1;
}

fn standsAt(token: u32, batch: u32) -> i32 {
  let first = clamp(params.queryOffset, -i32(params.queryLength), i32(params.keyLength)); // so that no sum wraps
  return clamp(i32(token) + first, 0, lastKey(batch));
}

fn beyond(token: u32, batch: u32) -> f32 {
  let position = f32(params.queryOffset) + f32(token);
  return max(max(position - f32(lastKey(batch)), -position), 0.0);
}
`;

/** `x` is the product in multiples of the softcap. WGSL leaves tanh of large numbers to the device, some of which return NaN; near zero the quotient would cancel. */
const CAPPED = /* wgsl */ `
fn capped(x: f32) -> f32 {
  return params.softcap * hyperbolic(x);
}

fn hyperbolic(x: f32) -> f32 {
  let square = x * x;
  let series = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0 + square * (62.0 / 2835.0)))));
  return select(1.0 - 2.0 / (exp2(x * 2.8853900817779268) + 1.0), series, abs(x) < 0.25);
}
`;

/** Counter-based: a pair is kept or dropped by its numbers and the seed alone, so forward and backward agree whatever their order. */
const KEPT = /* wgsl */ `
fn mixed(number: u32) -> u32 {
  var x = number;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn kept(random: u32, key: i32) -> f32 {
  return select(0.0, params.keptScale, mixed(random + u32(key) * 0x9e3779b9u) >= params.dropped);
}
`;

/** A float that travels in the tail of the schedule. */
export const EXTRA = /* wgsl */ `
fn extra(at: u32) -> f32 { return bitcast<f32>(schedule[at].x); }
`;

/**
 * A sink as (maximum, sum) of row `own` of a line that has seen no other key; minus infinity is none. Beside slopes that count from the
 * nearest key, it stands as much higher as all of these do.
 */
export const sinkText = ({alibi, ring}: Pick<Features, 'alibi' | 'ring'>): string => /* wgsl */ `
fn sinkOf(head: u32, own: u32, batch: u32) -> vec2f {
  let perHead = params.queryLength / params.packedHeads;
  let query = head * params.packedHeads + own / perHead;
  let word = schedule[params.sinks + query].x;
  let logit = bitcast<f32>(word) * ${PER_UNIT};
  ${alibi && !ring ? `let higher = fma(extra(params.alibiSlopes + query) * ${PER_UNIT}, beyond(own % perHead, batch), logit);` : 'let higher = logit;'}
  return select(vec2f(higher, 1.0), vec2f(EMPTY, 0.0), bitcast<u32>(word) == 0xff800000u);
}
`;
