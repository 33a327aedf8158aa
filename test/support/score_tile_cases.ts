import type {Pattern, ResolvedShape} from '../../src/pattern/index.js';
import {compress, packedKeys, rowOffsets} from '../../src/acsr/index.js';
import {scorePlan, type Device, type ScorePlan, type ScoreProduct} from '../../src/plan/index.js';
import {generateScoreTiles} from '../../src/wgsl/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {backend} from './attend.js';
import {problemFor} from './plans.js';
import {runProgram, type Contents} from './run_program.js';

/** A product of packed numbers over tiles. */
export interface ScoreTileCase {
  readonly pattern: Pattern;
  readonly shape: ResolvedShape;
  readonly batch?: number;
  readonly heads?: number;
  /** Heads of keys, or of values. */
  readonly keyHeads?: number;
  readonly dim?: number;
  readonly device: Device;
  /** Key tiles of the parts that items are cut into. Default the planner's. */
  readonly part?: number;
  readonly finite?: boolean;
  readonly seed?: number;
}

const largest = (numbers: Float64Array): number => numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 1);

const randoms = (count: number, random: () => number): Float32Array => Float32Array.from({length: count}, () => 2 * random() - 1);

/** Runs a product on buffers of its own, whose outputs hold NaN before, and compares every number with loops in float64. Null where tiles do not suit. */
export async function expectScoreTiles(
  product: ScoreProduct,
  {pattern, shape, batch = 1, heads = 2, keyHeads = heads, dim = 8, device, part, finite = false, seed = 1}: ScoreTileCase,
  limit = 2e-6,
): Promise<ScorePlan | null> {
  const {queryLength, keyLength} = shape;
  const acsr = compress(pattern, shape);
  const problem = problemFor(shape, {batch, heads, keyHeads, headDim: dim});
  const plan = scorePlan(product, acsr, problem, device, part === undefined ? {} : {parts: {longest: part, part}});
  if (plan === null) return null;
  const {launches, tail, workBytes} = generateScoreTiles(plan, {finite});
  const random = mulberry32(seed);
  const [offsets, columns] = [rowOffsets(acsr), packedKeys(acsr)];
  const {nnz} = acsr;
  const schedule = new Int32Array(2 * tail.pairs);
  schedule.set(plan.rows.schedule);
  const group = heads / keyHeads;
  const eachPair = (visit: (line: number, row: number, key: number, place: number) => void): void => {
    for (let line = 0; line < batch * heads; line++)
      for (let row = 0; row < queryLength; row++)
        for (let i = offsets[row]!; i < offsets[row + 1]!; i++) visit(line, row, columns[i]!, line * nnz + i);
  };
  const otherLine = (line: number): number => Math.floor(line / heads) * keyHeads + Math.floor((line % heads) / group);
  // Rows and keys of which no pair attends are never used.
  const [usedRow, usedKey] = [new Uint8Array(queryLength), new Uint8Array(keyLength)];
  eachPair((_, row, key) => (usedRow[row] = usedKey[key] = 1));
  const rowsOf = (lines: number, length: number, used: Uint8Array): Float32Array =>
    randoms(lines * length * dim, random).map((x, i) => (used[Math.floor(i / dim) % length] === 1 ? x : NaN));
  const {device: gpu} = backend();
  const nan = (count: number): Float32Array => new Float32Array(Math.max(4, count)).fill(NaN);
  const work: Contents = workBytes.scratch === undefined ? {} : {scratch: nan(workBytes.scratch / 4)};
  if (product === 'sddmm') {
    const scale = 0.7;
    const [query, key] = [rowsOf(batch * heads, queryLength, usedRow), rowsOf(batch * keyHeads, keyLength, usedKey)];
    const contents = {query, key, schedule, output: nan(batch * heads * nnz), ...work};
    const {output} = await runProgram(gpu, launches, contents, ['output'], {scale});
    const expected = new Float64Array(batch * heads * nnz);
    eachPair((line, row, k, place) => {
      let dot = 0;
      const [from, to] = [(line * queryLength + row) * dim, (otherLine(line) * keyLength + k) * dim];
      for (let d = 0; d < dim; d++) dot += query[from + d]! * key[to + d]!;
      expected[place] = scale * dot;
    });
    expectWithin(output.subarray(0, expected.length), expected, limit * largest(expected));
    return plan;
  }
  const transposed = product === 'transposed';
  const [length, outLength] = transposed ? [queryLength, keyLength] : [keyLength, queryLength];
  const values = randoms(batch * heads * nnz, random);
  const x = rowsOf(batch * keyHeads, length, transposed ? usedRow : usedKey);
  const contents = {values, x, schedule, output: nan(batch * heads * outLength * dim), ...work};
  const {output} = await runProgram(gpu, launches, contents, ['output']);
  const expected = new Float64Array(batch * heads * outLength * dim);
  eachPair((line, row, key, place) => {
    const [from, to] = transposed ? [row, key] : [key, row];
    for (let d = 0; d < dim; d++)
      expected[(line * outLength + to) * dim + d]! += values[place]! * x[(otherLine(line) * length + from) * dim + d]!;
  });
  expectWithin(output.subarray(0, expected.length), expected, limit * largest(expected));
  return plan;
}
