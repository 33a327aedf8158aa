import type {CallParams} from '../text/program.js';
import type {ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly dropout: boolean;
  }
}
declare module '../text/program.js' {
  interface CallParams {
    /** Rate, 0 ≤ dropout < 1. */
    readonly dropout?: number;
    /** An unsigned 32-bit integer. */
    readonly seed?: number;
  }
}

const keptScale = ({dropout = 0}: CallParams): number => 1 / (1 - dropout);

/** Probabilities that are left out. Counter-based: a pair is kept or dropped by its numbers and the seed alone, so forward and backward agree whatever their order. */
export const dropout: ScoreTerm = {
  name: 'dropout',
  fields: [
    {name: 'seed', type: 'u32', value: ({seed = 0}) => mix(seed)},
    // a pair is kept from this hash on
    {name: 'dropped', type: 'u32', value: ({dropout = 0}) => Math.floor(dropout * 2 ** 32)},
    {name: 'keptScale', type: 'f32', value: keptScale},
  ],
  functions: () => KEPT,
  query: (a, {place}) => `let random${a} = mixed(${place} + params.seed);`,
  keeps: (a, b) => `kept(random${a}, k${b})`,
  keepsAtMost: keptScale,
};

/** Exchanges neighbouring bits until they look random: lowbias32 of Chris Wellons' hash prospector. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

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
