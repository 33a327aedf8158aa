import {backend_util, broadcastTo, tidy, type Tensor} from '@tensorflow/tfjs-core';
// A required peer, not an optional one: an optional import would have to be dynamic, and `sparseIOHandler` must have registered the
// op before `loadGraphModel` maps the first node. Whoever has a graph model has the converter, and the script-tag `tf` contains it.
import {registerOp, type GraphNode} from '@tensorflow/tfjs-converter';
import {parsePattern, type Pattern} from '../pattern/index.js';
import {sparseAttention} from '../runtime/index.js';

/** A model has one pattern, a page a few models; beyond that, parsing again is cheap. */
const MOST_PATTERNS = 64;
const patterns = new Map<string, Pattern>();

/**
 * Teaches the graph executor the op `SparseAttention`. Calling it again changes nothing.
 *
 * It must run before a graph with such nodes is loaded; importing this package does it, so that a swapped model that was saved
 * loads like any other.
 */
export function registerGraphOp(): void {
  registerOp('SparseAttention', runGraphNode);
}

/**
 * Runs one `SparseAttention` node: inputs query, key, value and, when `has_bias`, a bias; attributes `pattern`, `scale`,
 * `implementation`.
 *
 * It stands for two batched matrix products, so leading dimensions of size 1 broadcast as theirs and those of an added mask do. (In
 * TensorFlow.js itself [2, 1] beside [2, 3] is multiplied wrongly: its matMul takes matrix i modulo their number.) The executor
 * does not clean up after foreign ops, and in `executeAsync` every intermediate would stay, hence the tidy.
 */
export function runGraphNode({inputs, attrs}: GraphNode): Tensor {
  return tidy(() => {
    const [query, key, value] = inputs as [Tensor, Tensor, Tensor];
    const bias = attrs['has_bias'] === true ? inputs[3] : undefined;
    const leading = [query, key, value, ...(bias ? [bias] : [])].map(leadingShape).reduce(backend_util.assertAndGetBroadcastShape);
    const batched = [query, key, value].map((tensor) => broadcastLeading(tensor, leading)) as [Tensor, Tensor, Tensor];
    return sparseAttention(...batched, cachedPattern(String(attrs['pattern'])), {
      scale: Number(attrs['scale']),
      implementation: String(attrs['implementation']) as 'auto' | 'fused' | 'dense',
      bias,
    });
  });
}

const leadingShape = (tensor: Tensor): number[] => tensor.shape.slice(0, -2);

function broadcastLeading(tensor: Tensor, leading: readonly number[]): Tensor {
  const shape = [...leading, ...tensor.shape.slice(-2)];
  return shape.join() === tensor.shape.join() ? tensor : broadcastTo(tensor, shape as [number]);
}

function cachedPattern(text: string): Pattern {
  let pattern = patterns.get(text);
  if (pattern === undefined) {
    if (patterns.size === MOST_PATTERNS) patterns.clear();
    pattern = parsePattern(text);
    patterns.set(text, pattern);
  }
  return pattern;
}
