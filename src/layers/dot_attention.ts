import * as tf from '@tensorflow/tfjs-core';
import {serialization, type Tensor, type Tensor3D} from '@tensorflow/tfjs-core';
import {layers, type Shape} from '@tensorflow/tfjs-layers';
import {full, type Pattern} from '../pattern/index.js';
import {sparseAttention} from '../runtime/index.js';
import {refuse} from '../support/index.js';
import {checkDropout, checkPattern, sayArgument, type PatternArgument} from './arguments.js';
import {markPatterned} from './patterned.js';

type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

/** What a stack of stock layers computed. */
export interface DotAttentionArgs extends LayerArgs {
  readonly pattern?: PatternArgument;
  /** Which input is which; one tensor may play several parts. */
  readonly inputs: {readonly query: number; readonly key: number; readonly value: number; readonly bias: number | null};
  /** [batch, length, dim] as 'ld', [batch, dim, length] as 'dl'. */
  readonly axes: Readonly<Record<'query' | 'key' | 'value' | 'output', 'ld' | 'dl'>>;
  /** Of query · key. */
  readonly scale: number;
  /** Of what is added to the scores, [batch, queryLength, keyLength] with sizes that may be 1. */
  readonly biasScale: number;
  /** Whether query and key are divided by their lengths, as `dot({normalize: true})` does. */
  readonly normalize: boolean;
  /** The share of probabilities that training drops. */
  readonly dropout: number;
}

/**
 * softmax(scale · query·keyᵀ + biasScale · bias)·value of tensors of one head, where a pattern allows it: what stands in a model after
 * `replaceAttention` where two `dot` layers around a softmax were. It has no weights.
 */
export class DotAttention extends layers.Layer {
  static readonly className: string = 'SplatDotAttention';
  override supportsMasking = true;
  readonly #args: DotAttentionArgs;
  #pattern: Pattern;

  constructor(args: DotAttentionArgs) {
    super(args);
    checkArgs(args);
    this.#args = args;
    this.#pattern = checkPattern('DotAttention.pattern', args.pattern ?? full());
  }

  get pattern(): Pattern {
    return this.#pattern;
  }

  set pattern(pattern: PatternArgument) {
    this.#pattern = checkPattern('DotAttention.pattern', pattern);
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const {inputs, axes} = this.#args;
    const shapes = (Array.isArray(inputShape[0]) ? inputShape : [inputShape]) as Shape[];
    const [query, value] = [shapes[inputs.query]!, shapes[inputs.value]!];
    const sizes = {l: query[1 + axes.query.indexOf('l')]!, d: value[1 + axes.value.indexOf('d')]!};
    return [query[0]!, ...[...axes.output].map((letter) => sizes[letter as 'l' | 'd'])];
  }

  /** As `dot`: none goes on. */
  override computeMask(): Tensor {
    return null as never;
  }

  override call(inputs: Tensor | Tensor[], kwargs: {readonly training?: boolean}): Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const {inputs: parts, axes, scale, biasScale, normalize, dropout} = this.#args;
      const given = [inputs].flat();
      const last = Math.max(parts.query, parts.key, parts.value, parts.bias ?? 0);
      if (last >= given.length) {
        const cure = 'Call it with as many tensors as the model does.';
        refuse(`inputs of ${this.name}`, `${given.length} tensors`, `${last + 1}`, cure);
      }
      const read = (role: 'query' | 'key' | 'value'): Tensor3D => turned(given[parts[role]]! as Tensor3D, axes[role]);
      const [query, key] = [read('query'), read('key')].map((tensor) => (normalize ? unit(tensor) : tensor));
      const bias = parts.bias === null ? undefined : tf.expandDims(given[parts.bias]!, 1);
      const output = sparseAttention(query!, key!, read('value'), this.#pattern, {
        scale,
        ...(bias && {bias: biasScale === 1 ? bias : tf.mul(bias, biasScale)}),
        ...(kwargs.training === true && dropout > 0 && {dropout}),
      });
      return turned(output, axes.output);
    });
  }

  override getConfig(): serialization.ConfigDict {
    const {inputs, axes, scale, biasScale, normalize, dropout} = this.#args;
    return {
      ...super.getConfig(),
      inputs: {...inputs},
      axes: {...axes},
      scale,
      biasScale,
      normalize,
      dropout,
      pattern: this.#pattern.toString(),
    };
  }
}
serialization.registerClass(DotAttention);
markPatterned(DotAttention);

/** A model.json may hold anything: refuses arguments that `replaceAttention` does not write. */
function checkArgs({inputs, axes, scale, biasScale, normalize, dropout}: Partial<DotAttentionArgs>): void {
  const wrong = (name: string, found: unknown, expected: string): never =>
    refuse(
      `DotAttention.${name}`,
      sayArgument(found),
      expected,
      'The model was changed since it was saved: replace its attention anew.',
    );
  const isIndex = (index: unknown): boolean => Number.isInteger(index) && (index as number) >= 0 && (index as number) < 4;
  const indices = [inputs?.query, inputs?.key, inputs?.value, inputs?.bias ?? 0];
  if (!indices.every(isIndex)) wrong('inputs', indices, 'numbers of inputs for query, key, value and bias');
  const orders = [axes?.query, axes?.key, axes?.value, axes?.output];
  if (!orders.every((order) => order === 'ld' || order === 'dl')) wrong('axes', orders, "'ld' or 'dl' for each tensor");
  for (const [name, factor] of Object.entries({scale, biasScale})) {
    if (typeof factor !== 'number' || !Number.isFinite(factor)) wrong(name, factor, 'a number');
  }
  if (typeof normalize !== 'boolean') wrong('normalize', normalize, 'true or false');
  checkDropout('DotAttention.dropout', dropout);
}

const turned = (tensor: Tensor3D, axes: string): Tensor3D => (axes === 'ld' ? tensor : tf.transpose(tensor, [0, 2, 1]));

/** Rows of length 1, as `l2Normalize` of TensorFlow.js makes them; 1e-7 is its epsilon. */
const unit = (tensor: Tensor3D): Tensor3D => tf.div(tensor, tf.sqrt(tf.maximum(tf.sum(tf.square(tensor), 2, true), 1e-7)));
