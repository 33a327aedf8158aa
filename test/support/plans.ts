import {compress} from '../../src/acsr/index.js';
import {
  CORE_DEVICE,
  makePlan,
  toDense,
  type Device,
  type Implementation,
  type MatrixConfig,
  type Plan,
  type Problem,
  type TileShape,
  type Work,
} from '../../src/plan/index.js';
import {PLAIN, type Features} from '../../src/wgsl/index.js';
import type {Pattern, ResolvedShape} from '../../src/pattern/index.js';

/** A CPU that plays GPU: small tiles, no row is cut into parts. */
export const SOFTWARE_DEVICE: Device = Object.freeze({...CORE_DEVICE, software: true});

/** What an NVIDIA GPU multiplies, and what an Apple GPU does. */
export const MATRIX_16: MatrixConfig = {componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16};
export const MATRIX_8: MatrixConfig = {componentType: 'f32', resultComponentType: 'f32', M: 8, N: 8, K: 8};

/** A device with everything that WebGPU may offer beyond its core; `matrices` say what its tensor cores multiply. */
export const featuredDevice = (...matrices: MatrixConfig[]): Device =>
  Object.freeze({...CORE_DEVICE, maxWorkgroupBytes: 32768, subgroups: {min: 32, max: 32}, float16: true, matrices});

/** A call that brings every option at once. */
export const EVERYTHING = Object.fromEntries(Object.keys(PLAIN).map((name) => [name, true])) as unknown as Features;

/** One head of 16 features unless said otherwise. */
export function problemFor(shape: ResolvedShape, sizes: Partial<Problem> = {}): Problem {
  const {queryLength, keyLength, queryOffset} = shape;
  const {heads = 1, keyHeads = heads, headDim = 16, valueDim = headDim} = sizes;
  return {queryLength, keyLength, queryOffset, batch: 1, packedHeads: 1, ...sizes, heads, keyHeads, headDim, valueDim};
}

export function planFor(
  pattern: Pattern,
  problem: Problem,
  device: Device = CORE_DEVICE,
  implementation?: Implementation | 'auto',
): Plan {
  return makePlan(compress(pattern, problem), problem, device, implementation);
}

/** The pairs of a pattern, from its meaning: row-major [queryLength · keyLength]. */
export function pairsOf(pattern: Pattern, shape: ResolvedShape): Uint8Array {
  const {queryLength, keyLength} = shape;
  const pairs = new Uint8Array(queryLength * keyLength);
  for (let query = 0; query < queryLength; query++) {
    for (let key = 0; key < keyLength; key++) pairs[query * keyLength + key] = pattern.attends(query, key, shape) ? 1 : 0;
  }
  return pairs;
}

/** Throws an Error that names the first pair which a plan computes and the pattern does not have, or the other way round. */
export function expectSamePairs(plan: Work, pairs: Uint8Array, line: {head?: number; batch?: number} = {}): void {
  const found = toDense(plan, line);
  const at = found.findIndex((times, pair) => times !== pairs[pair]);
  if (at < 0 && found.length === pairs.length) return;
  const {keyLength} = plan.problem;
  throw new Error(
    `pair (${Math.floor(at / keyLength)}, ${at % keyLength}): computed ${found[at]} times, the pattern says ${pairs[at]}`,
  );
}

/** A plan whose tiles are of another shape, in name: what its programs look like then. */
export const retiled = <Given extends Pick<Work, 'tile' | 'passes'>>(plan: Given, tile: TileShape): Given => ({
  ...plan,
  tile,
  passes: plan.passes.map((pass) => (pass.tile === plan.tile ? {...pass, tile} : pass)),
});
