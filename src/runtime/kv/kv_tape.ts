import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';

/** One append while TensorFlow.js records. */
interface Entry {
  /** Tokens of each sequence before it. */
  readonly first: readonly number[];
  /** The number of a node of the tape: everything on the tape that depends on the appended tokens comes from it. */
  readonly node: number;
  /** The linked output; null where the append lies inside of a user's own op, whose node is recorded once the op is done. */
  readonly output: Tensor | null;
}

/**
 * What a cache holds is no tensor of a tape: a gradient would stop there, silently, and training go on with a part of it. So outputs made
 * while TensorFlow.js records are linked, by an op whose gradient refuses, to all they depend on: their own inputs and what was appended
 * before. TensorFlow.js does not say what will be differentiated, but it asks an op for its gradient only if that op lies on a way from
 * what is watched to the result; so nothing is refused that no gradient goes through.
 */
export class TapeLinks {
  #entries: Entry[] = [];

  /** `output`, as made from `inputs` and from what was appended before; `first` are the tokens of each sequence so far. */
  link<T extends Tensor>(output: T, inputs: readonly Tensor[], first: readonly number[]): T {
    const {gradientDepth, kernelDepth, activeTape, nextTapeNodeId} = tf.engine().state;
    if (gradientDepth === 0) {
      this.#entries = [];
      return output;
    }
    const begin = activeTape[0]?.id ?? nextTapeNodeId;
    this.#entries = this.#entries.filter(({node}) => node >= begin);
    let linked: T | null = null;
    if (kernelDepth === 0) {
      const sources = new Set([...inputs, ...this.#sources()]);
      linked = tf.customGrad<T>(() => ({value: tf.clone(output), gradFunc: refuseGradient}))(...sources);
    }
    this.#entries.push({first, node: nextTapeNodeId, output: linked});
    return linked ?? output;
  }

  /** Tokens were taken back, so that `lengths` are left. */
  rolledBack(lengths: readonly number[]): void {
    const isGone = ({first}: Entry): boolean => first.every((from, b) => lengths[b]! <= from);
    while (this.#entries.length > 0 && isGone(this.#entries.at(-1)!)) this.#entries.pop();
  }

  /** The links of a cache whose sequence b is sequence `sequences[b]` of this one. */
  of(sequences: readonly number[]): TapeLinks {
    const links = new TapeLinks();
    links.#entries = this.#entries.map((entry) => ({...entry, first: sequences.map((b) => entry.first[b]!)}));
    return links;
  }

  /** Of the newest entries, back to one whose output stands for all before it. */
  *#sources(): Generator<Tensor> {
    const {activeTape} = tf.engine().state;
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const {node, output} = this.#entries[i]!;
      if (output !== null) return yield output;
      // Numbers of nodes are given in order, also to a tape inside of another.
      yield* Object.values(activeTape[node - activeTape[0]!.id]?.inputs ?? {});
    }
  }
}

const refuseGradient = (): never =>
  refuse(
    'gradient of KvCache.attend',
    'a request for it',
    'none: a cache holds numbers, not what they were computed from',
    'Train with one call of sparseAttention(query, key, value, pattern) over the whole sequence, and generate with the cache.',
  );
