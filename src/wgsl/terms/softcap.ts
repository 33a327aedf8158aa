import type {ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly softcap: boolean;
  }
}

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

/** d softcap · tanh(x / softcap) / dx, of x / softcap. */
const CAP_SLOPE = /* wgsl */ `
fn capSlope(x: f32) -> f32 {
  let t = hyperbolic(x);
  return 1.0 - t * t;
}
`;

/** softcap · tanh(product / softcap). Products count in multiples of it: see `factorsOf`. */
export const softcap: ScoreTerm = {
  name: 'softcap',
  // In the unit of scores.
  fields: [{name: 'softcap', type: 'f32', value: ({softcap = 0}, {unit}) => softcap / unit}],
  functions: () => CAPPED,
  moves: (score) => `capped(${score})`,
  slope: {functions: CAP_SLOPE, of: (score) => `capSlope(${score})`},
};
