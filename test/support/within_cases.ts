// Query, key and value as tensors of their own, and as parts of larger ones, whose other numbers are NaN.
import * as tf from '@tensorflow/tfjs-core';
import type {Compiled, Problem, Within} from '../../src/pure.js';
import {launch} from '../../src/runtime/launch/launch.js';
import type {HeadsWithin} from '../../src/runtime/index.js';
import {randomInputs} from '../oracle.js';
import {host, poison} from './attend.js';

/** The rows of a token in the larger tensors, in heads. */
export type Places = Within;

export interface Given {
  readonly apart: {readonly query: tf.Tensor4D; readonly key: tf.Tensor4D; readonly value: tf.Tensor4D};
  readonly within: {readonly query: HeadsWithin; readonly key: HeadsWithin; readonly value: HeadsWithin; readonly headDim: number};
}

/** [batch, length, heads, headDim], and the same among the rows of a token. */
function placed(
  data: Float32Array,
  [batch, length, heads, headDim]: readonly [number, number, number, number],
  rows: number,
  first: number,
): [tf.Tensor4D, HeadsWithin] {
  const whole = new Float32Array(batch * length * rows * headDim).fill(NaN);
  for (let token = 0; token < batch * length; token++) {
    const own = data.subarray(token * heads * headDim, (token + 1) * heads * headDim);
    whole.set(own, (token * rows + first) * headDim);
  }
  const tensor = tf.tensor3d(whole, [batch, length, rows * headDim]);
  return [tf.tensor4d(data, [batch, length, heads, headDim]), {whole: tensor, first: first * headDim, heads}];
}

/** Random inputs of a problem; each operand lies in a tensor of its own, so that all but it is NaN. */
export function givenWithin(problem: Problem, places: Places, seed = 1): Given {
  const {batch, heads, keyHeads, queryLength, keyLength, headDim} = problem;
  const {query, key, value} = randomInputs(problem, seed);
  const {queryRows, queryFirst, keyRows, keyFirst, valueFirst} = places;
  const [q, ofQuery] = placed(query, [batch, queryLength, heads, headDim], queryRows, queryFirst);
  const [k, ofKey] = placed(key, [batch, keyLength, keyHeads, headDim], keyRows, keyFirst);
  const [v, ofValue] = placed(value, [batch, keyLength, keyHeads, headDim], keyRows, valueFirst);
  return {apart: {query: q, key: k, value: v}, within: {query: ofQuery, key: ofKey, value: ofValue, headDim}};
}

/** All heads of query, key and value, one after the other. */
export const joinedPlaces = ({heads, keyHeads}: Pick<Problem, 'heads' | 'keyHeads'>): Places => {
  const rows = heads + 2 * keyHeads;
  return {queryRows: rows, queryFirst: 0, keyRows: rows, keyFirst: heads, valueFirst: heads + keyHeads};
};

export type More = Partial<Record<'bias' | 'mask', tf.Tensor>>;

/** The output of a plan that reads larger tensors is that of the same plan over tensors of their own, bit for bit. In memory full of NaN. */
export async function expectSameBits(compiled: Compiled, places: Places, more: More = {}, what = ''): Promise<void> {
  const {problem} = compiled.plan;
  const {batch, heads, queryLength, headDim} = problem;
  const {apart, within} = givenWithin(problem, places);
  const numbers = {scale: 0.3, layout: 'blhd'} as const;
  const read = async (tensors: Record<'query' | 'key' | 'value', tf.Tensor>, at?: Within): Promise<Float32Array> => {
    await poison(4 * batch * heads * queryLength * headDim, ...Object.values(compiled.workBytes));
    const [info] = launch(host(), compiled, {...tensors, ...more}, {...numbers, ...(at && {within: at})});
    const output = tf.engine().makeTensorFromTensorInfo(info!);
    expect(output.shape).withContext(what).toEqual([batch, queryLength, heads, headDim]);
    return (await output.data()) as Float32Array;
  };
  const expected = await read(apart);
  const found = await read({query: within.query.whole, key: within.key.whole, value: within.value.whole}, places);
  expect(expected.some(Number.isNaN)).withContext(`${what}: tensors of their own`).toBe(false);
  expect(bitsOf(found)).withContext(what).toEqual(bitsOf(expected));
}

export const bitsOf = ({buffer, byteOffset, length}: Float32Array): Uint32Array => new Uint32Array(buffer, byteOffset, length);
