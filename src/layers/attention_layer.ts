import * as tf from '@tensorflow/tfjs-core';
import type {serialization, Tensor, Tensor2D, Tensor4D} from '@tensorflow/tfjs-core';
import {layers, type SymbolicTensor, type LayerVariable, type Shape} from '@tensorflow/tfjs-layers';
import {full, type Pattern} from '../pattern/index.js';
import {sparseAttention} from '../runtime/index.js';
import {refuse} from '../support/index.js';
import {
  checkCount,
  checkDropout,
  checkFlag,
  checkPattern,
  checkSeed,
  checkWeight,
  sayArgument,
  type AttentionLayerArgs,
  type PatternArgument,
} from './arguments.js';
import {bandOf, bandPattern, isFull, type Band} from './bands.js';
import {checkLayerCall, checkMaskTensor, isSymbolic, readCallArgs, readInputs, readSymbolicCall} from './call_arguments.js';
import {hidingBias, readPairs, readRows, seesAny, type KerasMasks} from './masks.js';
import {project, readWeightRules} from './projections.js';
import {markPatterned} from './patterned.js';
import {maskOf, watchMasks} from './watch_masks.js';

/** How many numbers the projections make of a token. */
export interface HeadSizes {
  readonly heads: number;
  /** A divisor of `heads`. */
  readonly keyHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  /** Dimensions of an output token; null: as many numbers as a query token has. */
  readonly outputShape: readonly number[] | null;
}

type Kwargs = Readonly<Record<string, unknown>>;
type Projection = 'query' | 'key' | 'value' | 'attention_output';

/** What the attention layers share: projections, masks, and `sparseAttention` between them. */
export abstract class AttentionLayer extends layers.Layer {
  override supportsMasking = true;
  readonly sizes: HeadSizes;
  readonly dropout: number;
  readonly useBias: boolean;
  readonly slidingWindow: number | null;
  readonly seed: number | null;
  #pattern: Pattern;
  /** `#pattern` and a band, by the numbers of the band: one object for a text, since plans of long masks are kept by object. */
  readonly #withBand = new Map<string, Pattern>();
  readonly #weightRules: ReturnType<typeof readWeightRules>;
  readonly #kernels = new Map<Projection, LayerVariable>();
  readonly #biases = new Map<Projection, LayerVariable>();
  /** What symbolic calls asked for: a model does not pass call arguments on when it runs. */
  #causal: boolean | undefined;
  #draws = 0;

  /** `args` as `checkNames` gave them. */
  constructor(args: AttentionLayerArgs, sizes: HeadSizes) {
    super(args as ConstructorParameters<typeof layers.Layer>[0]);
    const of = (name: string): string => `${this.getClassName()}.${name}`;
    this.sizes = sizes;
    this.dropout = checkDropout(of('dropout'), args.dropout ?? 0);
    this.useBias = checkFlag(of('useBias'), args.useBias, true);
    this.slidingWindow = args.slidingWindow == null ? null : checkCount(of('slidingWindow'), args.slidingWindow);
    this.seed = checkSeed(of('seed'), args.seed);
    this.#pattern = checkPattern(of('pattern'), args.pattern ?? full(), sizes);
    this.#weightRules = readWeightRules(args);
  }

  /**
   * Who attends to whom, beside Keras's masks. It may be set at any time, to a pattern, its text or a list for the query heads, and changes
   * no weight. As in
   * `sparseAttention` the last query is aligned with the last key where there are more of one.
   */
  get pattern(): Pattern {
    return this.#pattern;
  }

  set pattern(pattern: PatternArgument) {
    this.#pattern = checkPattern(`${this.getClassName()}.pattern`, pattern, this.sizes);
    this.#withBand.clear();
  }

  override build(inputShape: Shape | Shape[]): void {
    const {query, key, value, output} = this.#shapes(inputShape);
    const {heads, keyHeads, keyDim, valueDim} = this.sizes;
    // In the order of Keras's getWeights.
    this.#addProjection('query', [query.at(-1)!], [heads, keyDim]);
    this.#addProjection('key', [key.at(-1)!], [keyHeads, keyDim]);
    this.#addProjection('value', [value.at(-1)!], [keyHeads, valueDim]);
    this.#addProjection('attention_output', [heads, valueDim], output.slice(2) as number[]);
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return this.#shapes(inputShape).output;
  }

  /** The mask of the query stands for the output too. */
  override computeMask(_inputs: Tensor | Tensor[], mask?: Tensor | Tensor[]): Tensor {
    return ([mask].flat()[0] ?? null) as Tensor;
  }

  override apply(
    inputs: Tensor | Tensor[] | SymbolicTensor | SymbolicTensor[],
    given?: Kwargs | null,
  ): Tensor | Tensor[] | SymbolicTensor | SymbolicTensor[] {
    const kwargs = checkLayerCall(this.name, inputs, given);
    const args = readCallArgs(this.name, kwargs);
    if (!isSymbolic(inputs)) {
      if (this.inboundNodes.length === 0 && kwargs['mask'] != null) {
        const cure = 'Pass attentionMask, [batch, queryLength, keyLength]; of a mask of tokens tf.expandDims(mask, 1).';
        refuse(`call argument 'mask' of ${this.name}`, sayArgument(kwargs['mask']), 'a layer in a model', cure);
      }
      return super.apply(inputs, kwargs);
    }
    const call = readSymbolicCall(this.name, inputs, args);
    if (this.#causal !== undefined && this.#causal !== call.useCausalMask) {
      const found = `${call.useCausalMask} after a call with ${this.#causal}`;
      const cure = 'Use two layers; a model does not tell a layer which of its calls it runs.';
      refuse(`call argument 'useCausalMask' of ${this.name}`, found, 'the same in all calls in models', cure);
    }
    const [first, ...others] = call.inputs;
    const output = super.apply(others.length > 0 ? [...call.inputs] : first!, call.useCausalMask ? {useCausalMask: true} : {});
    this.#causal = call.useCausalMask;
    call.inputs.slice(0, 3).forEach(({sourceLayer}) => watchMasks(sourceLayer));
    return output;
  }

  override call(inputs: Tensor | Tensor[], kwargs: Kwargs): Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const args = readCallArgs(this.name, kwargs);
      const {query, key, value, attentionMask} = readInputs(this.name, inputs);
      this.#checkTokens({query, key, value});
      const mask = checkMaskTensor(this.name, args.attentionMask) ?? attentionMask;
      const band = bandOf(args.useCausalMask ?? this.#causal ?? false, this.slidingWindow);
      const masks = this.#readMasks({query, key, value}, mask, band);
      const output = this.#attend(
        this.#project(query, 'query') as Tensor4D,
        this.#project(key, 'key') as Tensor4D,
        this.#project(value, 'value') as Tensor4D,
        masks,
        args.training ?? false,
      );
      return this.#project(output, 'attention_output');
    });
  }

  override getConfig(): serialization.ConfigDict {
    const {dropout, useBias, slidingWindow, seed, pattern} = this;
    return {...super.getConfig(), dropout, useBias, slidingWindow, seed, ...this.#weightRules.config, pattern: pattern.toString()};
  }

  /** Leaves out what is null, which in Keras stands for a default: a newer Keras may write names that are unknown here. */
  static override fromConfig<T extends serialization.Serializable>(
    cls: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    return new cls(Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null)));
  }

  #shapes(inputShape: Shape | Shape[]): Readonly<Record<'query' | 'value' | 'key' | 'output', Shape>> {
    const list = (Array.isArray(inputShape[0]) ? inputShape : [inputShape]) as Shape[];
    const {query, value, key} = readInputs(this.name, list.map((shape) => ({shape})) as {readonly shape: Shape}[]);
    for (const [role, {shape}] of Object.entries({query, value, key})) {
      if (shape.length === 3 && shape[2] !== null) continue;
      const cure = 'Attention runs along the second dimension only; reshape others into the batch.';
      refuse(`${role} of ${this.name}`, `shape ${sayArgument(shape)}`, `[batch, length, features] with known features`, cure);
    }
    const [keyLength, valueLength] = [key.shape[1], value.shape[1]];
    if (keyLength != null && valueLength != null && keyLength !== valueLength) {
      refuse(
        `key of ${this.name}`,
        `length ${keyLength}`,
        `${valueLength}, as value has`,
        'The order of inputs is [query, value, key].',
      );
    }
    const tokenShape = this.sizes.outputShape ?? [query.shape[2]!];
    return {query: query.shape, value: value.shape, key: key.shape, output: [query.shape[0]!, query.shape[1]!, ...tokenShape]};
  }

  #addProjection(name: Projection, from: readonly number[], to: readonly number[]): void {
    const {rules} = this.#weightRules;
    const add = (part: 'kernel' | 'bias', shape: number[]): LayerVariable => {
      checkWeight(this.name, `${name}/${part}`, shape);
      const [initializer, regularizer] = [rules[`${part}Initializer`], rules[`${part}Regularizer`]];
      return this.addWeight(`${name}/${part}`, shape, 'float32', initializer, regularizer, true, rules[`${part}Constraint`]);
    };
    this.#kernels.set(name, add('kernel', [...from, ...to]));
    if (this.useBias) this.#biases.set(name, add('bias', [...to]));
  }

  #project(tokens: Tensor, name: Projection): Tensor {
    return project(tokens, this.#kernels.get(name)!, this.#biases.get(name));
  }

  #checkTokens(inputs: Readonly<Record<'query' | 'key' | 'value', Tensor>>): void {
    for (const role of ['query', 'value', 'key'] as const) {
      const {dtype, shape} = inputs[role];
      if (dtype !== 'float32') {
        const cure = "Token ids go through an Embedding first; numbers through tf.cast(x, 'float32').";
        refuse(`${role} of ${this.name}`, `dtype ${dtype}`, 'dtype float32', cure);
      }
      const features = this.#kernels.get(role)!.shape[0];
      if (shape.length === 3 && shape[2] === features) continue;
      const expected = `[batch, length, ${features}], for which its weights were made`;
      refuse(`${role} of ${this.name}`, `shape ${sayArgument(shape)}`, expected, 'Tokens of another width need another layer.');
    }
  }

  #readMasks(inputs: Readonly<Record<'query' | 'key' | 'value', Tensor>>, pairs: Tensor | undefined, band: Band): KerasMasks {
    const {query, key, value} = inputs;
    const [batch, queryLength, keyLength] = [query.shape[0]!, query.shape[1]!, key.shape[1]!];
    const rows = (role: 'query' | 'key' | 'value'): Tensor2D | undefined => {
      const mask = maskOf(inputs[role]);
      return mask && readRows(`mask of the ${role} of ${this.name}`, mask, [batch, inputs[role].shape[1]!]);
    };
    const [queryMask, valueMask, keyMask] = [rows('query'), rows('value'), key === value ? undefined : rows('key')];
    const keys = valueMask && keyMask ? tf.logicalAnd(valueMask, keyMask) : (valueMask ?? keyMask);
    const sizes = [batch, this.sizes.heads, queryLength, keyLength] as const;
    return {
      queryLength,
      keyLength,
      band,
      ...(queryMask && {query: queryMask}),
      ...(keys && {key: keys as Tensor2D}),
      ...(pairs && {pairs: readPairs(`attentionMask of ${this.name}`, pairs, sizes)}),
    };
  }

  /** Of [batch, length, heads, dim] tensors. */
  #attend(query: Tensor4D, key: Tensor4D, value: Tensor4D, masks: KerasMasks, training: boolean): Tensor4D {
    const bias = hidingBias(masks);
    const output = sparseAttention(query, key, value, this.#patternWith(masks), {
      layout: 'blhd',
      ...(bias && {bias}),
      ...(training && this.dropout > 0 && {dropout: this.dropout, ...this.#nextSeed()}),
    }) as Tensor4D;
    const seen = seesAny(masks);
    return seen === undefined ? output : tf.add(tf.mul(output, seen), tf.mul(meanOfValues(value, this.sizes), tf.sub(1, seen)));
  }

  #patternWith({band, queryLength, keyLength}: KerasMasks): Pattern {
    if (isFull(band)) return this.#pattern;
    const offset = keyLength - queryLength;
    const name = [band.from, band.to, offset].join();
    const known = this.#withBand.get(name) ?? this.#pattern.and(bandPattern(band, offset));
    this.#withBand.set(name, known);
    return known;
  }

  #nextSeed(): {seed?: number} {
    return this.seed === null ? {} : {seed: (this.seed + this.#draws++) % 2 ** 32};
  }
}

markPatterned(AttentionLayer);

/** [batch, keyLength, keyHeads, dim] → [batch, 1, heads, dim] */
function meanOfValues(value: Tensor4D, {heads, keyHeads}: HeadSizes): Tensor4D {
  const [batch, , , dim] = value.shape;
  const mean: Tensor4D = tf.reshape(tf.mean(value, 1), [batch, keyHeads, 1, dim]);
  return tf.reshape(tf.tile(mean, [1, 1, heads / keyHeads, 1]), [batch, 1, heads, dim]);
}
