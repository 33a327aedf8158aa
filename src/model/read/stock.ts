import {version_converter as version} from '@tensorflow/tfjs-converter';
import {BATCH_MATMULS} from '../graph/contraction.js';
import {dataInputs, type NodeDef} from '../graph/graph.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf} from '../graph/size.js';

/** The version that was looked at. Another one may have mended it: its masks stay the tensors that it makes. */
const KNOWN = '4.22.0';

/**
 * Whether `MatrixBandPart` gives back all of its input, as TensorFlow.js runs it.
 *
 * Its converter 4.22 takes `num_lower` for `num_upper` as well, so the causal mask of Keras 2, band_part(ones, −1, 0), hides nothing. A
 * swap does not change what a model computes, hence neither does it make such a model causal; `stockNotes` tells.
 */
export function keepsWholeBand(shapes: ShapeTable, node: NodeDef): boolean {
  const [, lower, upper] = dataInputs(node).map((input) => shapes.integer(input));
  if (lower === undefined || lower >= 0) return false;
  return (upper !== undefined && upper < 0) || version === KNOWN;
}

/** What TensorFlow.js computes in another way than TensorFlow, in products and in nodes that masks are made of. */
export function stockNotes(shapes: ShapeTable): string[] {
  if (version !== KNOWN) return [];
  return [...shapes.graph.nodes.values()].flatMap((node) => {
    const [, second, third] = dataInputs(node).map((input) => shapes.integer(input));
    if (node.op === 'MatrixBandPart' && second !== third) {
      return [
        `TensorFlow.js ${version} reads num_lower of MatrixBandPart '${node.name}' twice, so as a causal mask it hides nothing; ` +
          'a swap keeps that: give causal() in the pattern for what the model was trained with',
      ];
    }
    if (node.op === 'Cumsum' && second !== undefined && second < 0) {
      return [
        `TensorFlow.js ${version} computes Cumsum '${node.name}' over the negative axis ${second} wrongly; as a part of a causal mask ` +
          'it is kept as it is',
      ];
    }
    return BATCH_MATMULS.includes(node.op) ? modulo(shapes, node) : [];
  });
}

/**
 * Its matMul takes matrix i of an operand modulo their number. That repeats [2, 3] for [4, 2, 3], but of [2, 1] beside [2, 3] it takes
 * both in turns, where each stands for three.
 */
function modulo(shapes: ShapeTable, node: NodeDef): string[] {
  const leading = dataInputs(node).map((input) => shapes.of(input)?.slice(0, -2) ?? []);
  const whole = shapes.of(node.name)?.slice(0, -2) ?? [];
  const wrong = leading.findIndex((axes) => {
    const first = axes.findIndex((size) => numberOf(size) !== 1);
    return first >= 0 && axes.some((size, i) => i > first && numberOf(size) === 1 && numberOf(whole.at(i - axes.length)) !== 1);
  });
  if (wrong < 0) return [];
  return [
    `TensorFlow.js ${version} multiplies wrongly in ${node.op} '${node.name}' where '${dataInputs(node)[wrong]}' is broadcast behind an axis ` +
      'of more than 1; a swap computes what TensorFlow does there, so its numbers differ from those of the model as it was',
  ];
}
