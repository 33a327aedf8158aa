import type {Tensor} from '@tensorflow/tfjs-core';
import type {layers} from '@tensorflow/tfjs-layers';

type Layer = layers.Layer;

/** The mask that a layer computed beside its output. */
const masks = new WeakMap<Tensor, Tensor>();
const watched = new WeakSet<Layer>();

/**
 * From now on remembers the masks of what `layer` puts out in a model.
 *
 * A model of TensorFlow.js computes the mask of every tensor, but hands a layer only that of its first input, and where no input has one
 * it hands on the mask of a layer that ran before (4.22, `execute`). Attention needs those of key and value, and no stranger's. The model
 * runs `apply` and then `computeMask` of each layer, so the two calls together say which mask belongs to which tensor.
 */
export function watchMasks(layer: Layer): void {
  if (watched.has(layer)) return;
  watched.add(layer);
  const {apply, computeMask} = layer;
  let outputs: Tensor[] = [];
  layer.apply = (inputs, kwargs) => {
    // `apply` itself asks for a mask too, without telling those of its inputs: not that one.
    outputs = [];
    const result = apply.call(layer, inputs, kwargs);
    outputs = [result].flat() as Tensor[];
    return result;
  };
  layer.computeMask = (inputs, mask) => {
    const result = computeMask.call(layer, inputs, mask);
    // As `execute` does: the first mask stands for all outputs.
    const [own] = [result].flat();
    if (own != null) outputs.forEach((output) => masks.set(output, own));
    return result;
  };
}

/** The mask of a tensor, [batch, length], or undefined. Outside of a model only Embedding and Masking put one beside their output. */
export const maskOf = (tensor: Tensor): Tensor | undefined =>
  masks.get(tensor) ?? (tensor as {kerasMask?: Tensor | null}).kerasMask ?? undefined;
