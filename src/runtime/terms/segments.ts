import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D} from '@tensorflow/tfjs-core';
import {isList, readOptions, refuse, type NamesOf, type OptionWords} from '../../support/index.js';
import type {Problem} from '../../pure.js';
import type {NumberArray} from '../given/number_array.js';
import {slice, type TermTensors} from './part.js';
import {shaped, whole} from './shaped.js';
import type {CallTerm} from './term.js';

export interface SegmentOptions {
  /** int32 {query: [batch, queryLength], key: [batch, keyLength]}: pairs attend only where their numbers are equal. */
  readonly segmentIds?: SegmentIds | null | undefined;
}

/** A number for each query and each key, int32 [batch, length]: a query attends to keys of its own number. */
export interface SegmentIds {
  readonly query: Tensor | NumberArray;
  readonly key: Tensor | NumberArray;
}

export const segmentsCall: CallTerm<SegmentOptions> = {
  name: 'segments',
  options: {segmentIds: true},
  roles: ['querySegments', 'keySegments'],
  integers: true,
  check: ({segmentIds}, {problem}) => (segmentIds === undefined ? {} : {tensors: checkSegments(segmentIds, problem)}),
  example: ({batch, queryLength, keyLength}) => ({
    tensors: {querySegments: tf.zeros([batch, queryLength], 'int32'), keySegments: tf.zeros([batch, keyLength], 'int32')},
  }),
  ops: {
    shows({inputs: {querySegments, keySegments}, chunk: {rowBegin, rowEnd, keyBegin, keyEnd}}) {
      const ofQueries = tf.reshape(slice(querySegments!, 1, rowBegin, rowEnd), [-1, 1, rowEnd - rowBegin, 1]);
      const ofKeys = tf.reshape(slice(keySegments!, 1, keyBegin, keyEnd), [-1, 1, 1, keyEnd - keyBegin]);
      return tf.equal(ofQueries, ofKeys);
    },
  },
};

const NAMES: NamesOf<SegmentIds> = {query: true, key: true};
const WORDS: OptionWords = {
  all: 'option segmentIds',
  expected: 'int32 [batch, queryLength] and [batch, keyLength]',
  cure: 'Give both, as {query: ids, key: ids}; for self-attention the same tensor twice.',
  one: (name) => `option segmentIds.${name}`,
};

function checkSegments(
  given: SegmentIds,
  {batch, queryLength, keyLength}: Problem,
): Pick<TermTensors, 'querySegments' | 'keySegments'> {
  // Both are objects, and have no names to tell of.
  if (given instanceof tf.Tensor || isList(given))
    refuse(WORDS.all, given instanceof tf.Tensor ? 'a tensor' : 'an array', WORDS.expected, WORDS.cure);
  const ids = readOptions(given, NAMES, WORDS);
  const segments = (which: keyof SegmentIds, length: number): Tensor2D => {
    const [name, says] = [WORDS.one(which), `[batch, ${which}Length]`];
    if (ids[which] === undefined) refuse(name, 'nothing', `int32 ${says}`, cureOfMissing(which));
    return shaped(name, whole(name, ids[which]).tensor(), [batch, length], says);
  };
  return {querySegments: segments('query', queryLength), keySegments: segments('key', keyLength)};
}

const cureOfMissing = (which: keyof SegmentIds): string => {
  const other = which === 'query' ? 'key' : 'query';
  return `Give ids of ${which === 'query' ? 'queries' : 'keys'}, too: {query: ids, key: ids}; for self-attention the tensor of ${other} twice.`;
};
