import {PER_UNIT} from '../text/features.js';
import type {Beside, ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly alibi: boolean;
  }
}
declare module '../text/program.js' {
  interface TermRoles {
    /** [heads] */
    readonly alibiSlopes: 1;
  }
}

/** −slope · |position − key| (arXiv 2108.12409). */
export const alibi: ScoreTerm = {
  name: 'alibi',
  brings: [{role: 'alibiSlopes', words: ({heads, packedHeads}) => heads * packedHeads, floats: true}],
  far: true,
  places: true,
  functions: (beside) => (beside.ring ? '' : standing(beside)),
  query: (a, {head, token}, {ring}) =>
    `let slope${a} = extra(params.alibiSlopes + ${head}) * ${PER_UNIT};\n` +
    `let position${a} = ${ring ? `i32(${token}) + heldBy(batch).y` : `standsAt(${token}, batch)`};`,
  moves: (score, a, b, {ring}) => `(${score} - slope${a} * f32(abs(position${a} - ${ring ? 'held' : 'k'}${b})))`,
  apart: (query, token, batch, {ring}) =>
    ring ? null : {factor: `extra(params.alibiSlopes + ${query})`, way: `beyond(${token}, ${batch})`},
};

/**
 * Where a query stands for ALiBi: at the key nearest to it. Distances from there are small where it is far from all keys, and differences
 * of distances are the same. `beyond` is the rest, the same for all keys of a row: what sinks and the log-sum-exp have of it.
 */
const standing = ({clips, keyCount}: Beside): string => /* wgsl */ `
fn lastKey(batch: u32) -> i32 {
  return ${clips ? `clamp(${keyCount('batch')}, 1, i32(params.keyLength))` : keyCount('batch')} - 1;
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
