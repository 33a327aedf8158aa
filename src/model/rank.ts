import type {Constants} from './constants.js';
import {dataInputs, type Graph} from './graph.js';

/** Looking further up never told more in the graphs we have seen; it keeps a wide sum of sums cheap. */
const FARTHEST = 6;

/** The rank of a tensor where the graph alone tells it (a constant, a permutation, a reshape target), else undefined. */
export function rankOf(graph: Graph, constants: Constants, input: string, distance = 0): number | undefined {
  const node = graph.producer(input);
  if (node === undefined || distance > FARTHEST) return undefined;
  const [first = '', second = ''] = dataInputs(node);
  const rank = (of: string): number | undefined => rankOf(graph, constants, of, distance + 1);
  switch (node.op) {
    case 'Const':
      return constants.shape(node.name)?.length;
    case 'Transpose':
      return lengthOf(graph, constants, second) ?? rank(first);
    case 'Reshape':
      return lengthOf(graph, constants, second);
    case 'Softmax':
    case 'Cast':
    case 'Neg':
    case 'BiasAdd':
      return rank(first);
    case 'Mul':
    case 'RealDiv':
    case 'Add':
    case 'AddV2':
    case 'Sub':
    case 'BatchMatMulV2': {
      const [a, b] = [rank(first), rank(second)];
      return a === undefined || b === undefined ? undefined : Math.max(a, b);
    }
    default:
      return undefined;
  }
}

/** How many elements a vector of sizes or axes has: a permutation or reshape target as long as the rank. */
function lengthOf(graph: Graph, constants: Constants, input: string): number | undefined {
  const node = graph.producer(input);
  if (node?.op === 'Const') return constants.shape(node.name)?.[0];
  if (node?.op === 'Pack') return dataInputs(node).length;
  return undefined;
}
