import type {Features} from './features.js';
import {heldScores} from './held.js';
import {lines} from './text.js';

/**
 * The text that makes a score of a product of query and key, in units of log2:
 * softcap(scale · product) + bias + relative bias − slope · |position − key|; pairs of other segments are hidden.
 *
 * Queries and keys have numbers `a` and `b`, one for each that an invocation owns or meets: `query(a)` and `key(b)` declare what belongs
 * to one of them, `pair(…, a, b)` uses it. So kernels that own rows and kernels that own keys speak the same text.
 */
export class Scoring {
  constructor(private readonly features: Features) {}

  /** Functions of the module. */
  get functions(): string {
    const {bias, relative, softcap, dropout} = this.features;
    return lines(bias || relative ? BIASED : '', softcap ? CAPPED : '', dropout ? KEPT : '', heldScores(this.features));
  }

  /** What query number `a` brings: `row` is its index as u32, `line` · queryLength + row its place among all rows. */
  query(a: number, row: string, place: string): string {
    const {bias, alibi, relative, segments, dropout, ring} = this.features;
    const first = ring ? 'heldBy(batch).y' : 'params.queryOffset';
    const perHead = 'params.queryLength / params.packedHeads';
    return lines(
      bias && !ring ? `let bias${a} = dot(vec3u(batch, head, ${row}), params.biasStrides.xyz);` : '',
      bias && ring
        ? `let bias${a} = biasBase(batch) + dot(vec3u(batch, head * params.packedHeads + ${row} / (${perHead}), ${row} % (${perHead})), params.biasStrides.xyz);`
        : '',
      alibi ? `let slope${a} = extra(params.alibiSlopes + head * params.packedHeads + ${row} / (${perHead})) * LOG2E;` : '',
      alibi ? `let position${a} = i32(${row} % (${perHead})) + ${first};` : '',
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
    let score = `${s} * params.scale`;
    if (softcap) score = `capped(${score})`;
    // One sum, then one test: minus infinity in either hides the pair.
    const added = [...(bias ? [`bias[bias${a} + b${b}]`] : []), ...(relative ? [`extra(relative${a} + u32(k${b}))`] : [])];
    if (added.length > 0) score = `biased(${score}, ${added.join(' + ')})`;
    if (alibi) score = `(${score} - slope${a} * f32(abs(position${a} - ${ring ? 'held' : 'k'}${b})))`;
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

/** The score of a pair with an additive bias. Minus infinity hides the pair; NaN passes through both selects. */
export const BIASED = /* wgsl */ `
fn biased(score: f32, bias: f32) -> f32 {
  let sum = fma(bias, 1.4426950408889634, score);
  return select(select(sum, LOWEST, sum < LOWEST), HIDDEN, bitcast<u32>(bias) == 0xff800000u);
}
`;

/** WGSL leaves tanh of large numbers to the device, some of which return NaN; near zero the quotient would cancel. */
const CAPPED = /* wgsl */ `
fn capped(score: f32) -> f32 {
  return params.softcap * hyperbolic(score / params.softcap);
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
const LOG2E = 1.4426950408889634;
fn extra(at: u32) -> f32 { return bitcast<f32>(schedule[at].x); }
`;

/** A sink as (maximum, sum) of a row that has seen no other key; minus infinity is none. */
export const SINK = /* wgsl */ `
fn sinkAt(at: u32) -> vec2f {
  let word = schedule[at].x;
  let logit = max(bitcast<f32>(word) * LOG2E, LOWEST);
  return select(vec2f(logit, 1.0), vec2f(EMPTY, 0.0), bitcast<u32>(word) == 0xff800000u);
}
`;
