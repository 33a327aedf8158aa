import * as tf from '@tensorflow/tfjs-core';

/** Slots that a cache grows by. TensorFlow.js pools buffers by size and never lets one go, so not one at a time. */
const GROWTH = 256;
/** Queries at a time: the scores of a whole long text fit no GPU binding. */
const QUERIES = 256;
/** What a key weighs that comes later than the query. */
const EXCLUDED = -1e9;

/** Causal attention as one writes it with TensorFlow.js ops: all keys so far, every score in memory, padded and masked. */
export class DenseCache {
  #key: tf.Tensor4D | undefined;
  #value: tf.Tensor4D | undefined;
  #length = 0;
  readonly #slopes: tf.Tensor4D;

  constructor(alibiSlopes: readonly number[]) {
    this.#slopes = tf.tensor4d([...alibiSlopes], [1, alibiSlopes.length, 1, 1]);
  }

  get bytes(): number {
    return 4 * ((this.#key?.size ?? 0) + (this.#value?.size ?? 0));
  }

  /** query, key and value [1, heads, tokens, headDim]: the whole text at first, then a token at a time. */
  attend(query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D): tf.Tensor4D {
    const first = this.#length;
    this.#length += key.shape[2];
    this.#key = this.#append(this.#key, key, first);
    this.#value = this.#append(this.#value, value, first);
    const tokens = query.shape[2];
    const outputs: tf.Tensor4D[] = [];
    for (let from = 0; from < tokens; from += QUERIES) {
      const count = Math.min(QUERIES, tokens - from);
      const part = tokens === count ? query : tf.slice(query, [0, 0, from, 0], [-1, -1, count, -1]);
      outputs.push(this.#attendFrom(part, first + from));
    }
    return outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 2);
  }

  dispose(): void {
    tf.dispose([this.#slopes, ...(this.#key ? [this.#key, this.#value!] : [])]);
  }

  #attendFrom(query: tf.Tensor4D, first: number): tf.Tensor4D {
    return tf.tidy(() => {
      const [, , tokens, headDim] = query.shape;
      const capacity = this.#key!.shape[2];
      const position = tf.reshape(tf.range(first, first + tokens), [1, 1, tokens, 1]);
      const distance = tf.sub(position, tf.reshape(tf.range(0, capacity), [1, 1, 1, capacity]));
      // Not tf.where: TensorFlow.js would spread the one number over all scores on the CPU.
      const excluded = tf.mul(tf.cast(tf.less(distance, 0), 'float32'), EXCLUDED);
      const bias = tf.sub(excluded, tf.mul(this.#slopes, distance));
      const scores = tf.mul(tf.matMul(query, this.#key!, false, true), 1 / Math.sqrt(headDim));
      return tf.matMul(tf.softmax(tf.add(scores, bias)), this.#value!) as tf.Tensor4D;
    });
  }

  #append(held: tf.Tensor4D | undefined, tokens: tf.Tensor4D, first: number): tf.Tensor4D {
    const count = tokens.shape[2];
    const capacity = Math.ceil((first + count) / GROWTH) * GROWTH;
    const pad = (x: tf.Tensor4D, before: number): tf.Tensor4D =>
      tf.pad(x, [
        [0, 0],
        [0, 0],
        [before, capacity - before - x.shape[2]],
        [0, 0],
      ]);
    const next = tf.tidy(() => {
      if (held === undefined) return tf.keep(pad(tokens, 0));
      const grown = held.shape[2] === capacity ? held : pad(held, 0);
      if (count > 1) return tf.keep(tf.add(grown, pad(tokens, first)) as tf.Tensor4D);
      // TensorFlow.js cannot write into a tensor: the new token is added where zeros are.
      const place = tf.reshape(tf.oneHot(tf.scalar(first, 'int32'), capacity), [1, 1, capacity, 1]);
      return tf.keep(tf.add(grown, tf.mul(place, tokens)) as tf.Tensor4D);
    });
    held?.dispose();
    return next;
  }
}
