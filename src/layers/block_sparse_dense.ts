import * as tf from '@tensorflow/tfjs-core';
import {serialization, type Tensor} from '@tensorflow/tfjs-core';
import {layers, type LayerVariable, type Shape} from '@tensorflow/tfjs-layers';
import {blockSparseMatMul, compressedMask, type BlockMaskInput} from '../runtime/index.js';
import {ceilDiv, isList, readOptions, refuse, say, type NamesOf} from '../support/index.js';
import {checkCount, checkFlag, checkWeight, LAYER_NAMES, sayArgument, type StockArgs, type WeightArgs} from './arguments.js';
import {readWeightRules} from './projections.js';

/** Numbers along the two sides of a block of the kernel: of inputs and of outputs. */
type KernelBlock = number | readonly [inputs: number, outputs: number];

/** Keras's arguments of `Dense` in camelCase, and the blocks of the kernel. */
export interface BlockSparseDenseArgs extends WeightArgs {
  /** Numbers of an output. */
  units: number;
  /** Numbers along each side of a block of the kernel, 8 to 128, a multiple of 4; or [of inputs, of outputs]. */
  blockSize: KernelBlock;
  /**
   * Which blocks of the kernel [inputs, units] there are: an array of 0 and 1 or of booleans, [⌈inputs / block⌉, ⌈units / block⌉], flat or nested, or compressed rows
   * {rows, offsets, columns}, as `blockSparseMatMul` takes them. `blockMaskOf` makes it of pruned weights. Default: all.
   */
  mask?: Exclude<BlockMaskInput, Tensor> | null | undefined;
  /** By its name. Default none. */
  activation?: Parameters<typeof layers.activation>[0]['activation'] | null | undefined;
}

export const BLOCK_SPARSE_DENSE_NAMES: NamesOf<Omit<BlockSparseDenseArgs, keyof StockArgs | 'activityRegularizer'>> = {
  units: true,
  blockSize: true,
  mask: true,
  activation: true,
  useBias: true,
  kernelInitializer: true,
  biasInitializer: true,
  kernelRegularizer: true,
  biasRegularizer: true,
  kernelConstraint: true,
  biasConstraint: true,
};

/** As a config has it. */
type CompressedMask = ReturnType<typeof compressedMask>;

/**
 * Keras's `Dense` with a kernel of which blocks are left out: activation(inputs · kernel + bias), computed by `blockSparseMatMul` over the blocks that there are.
 * The kernel lies as that of `Dense` does, [inputs, units], with zeros in the other blocks, so pruned weights go in by `setWeights`; what they hold in
 * blocks that are left out is not read. Training changes the blocks that there are, and no others. Inputs are [batch, …, inputs]. The mask is part
 * of the config, as compressed rows.
 *
 * Weights, in this order: kernel [inputs, units], bias [units]. Initializers see a whole kernel; with few blocks one may want a larger scale.
 *
 * @throws SplatError when an argument is unknown or out of range, or when the mask does not fit the inputs.
 *
 * @example
 * const layer = new BlockSparseDense({units: 64, blockSize: 32, mask: [[1, 0], [0, 1], [1, 1]], activation: 'relu'});
 * const model = tf.sequential({layers: [tf.layers.inputLayer({inputShape: [96]}), layer]}); // [null, 64]
 */
export class BlockSparseDense extends layers.Layer {
  static readonly className: string = 'BlockSparseDense';
  override supportsMasking = true;
  readonly units: number;
  readonly blockSize: KernelBlock;
  readonly useBias: boolean;
  /** Null: all blocks. */
  readonly mask: CompressedMask | null;
  readonly #sides: readonly [inputs: number, outputs: number];
  readonly #weightRules: ReturnType<typeof readWeightRules>;
  readonly #activation: layers.Layer | null;
  #kernel: LayerVariable | undefined;
  #bias: LayerVariable | undefined;

  constructor(args: BlockSparseDenseArgs) {
    const given = readOptions(
      args,
      {...BLOCK_SPARSE_DENSE_NAMES, ...LAYER_NAMES, activityRegularizer: true},
      {
        all: 'BlockSparseDense arguments',
        expected: 'an object {units, blockSize, mask, …}',
        cure: 'Name each of them.',
        one: (name) => `BlockSparseDense argument '${name}'`,
        // The loader of TensorFlow.js adds it.
        also: ['customObjects'],
      },
    );
    super(given as ConstructorParameters<typeof layers.Layer>[0]);
    this.units = checkCount('BlockSparseDense.units', given.units);
    this.#sides = sidesOf(given.blockSize);
    this.blockSize = given.blockSize!;
    this.useBias = checkFlag('BlockSparseDense.useBias', given.useBias, true);
    if (given.activityRegularizer !== undefined) {
      const cure = 'TensorFlow.js has none; regularise kernels, or add a loss to the model.';
      refuse('BlockSparseDense.activityRegularizer', say(given.activityRegularizer), 'null', cure);
    }
    this.mask = readMask(given.mask, ceilDiv(this.units, this.#sides[1]));
    this.#weightRules = readWeightRules(args);
    // Named, so that the numbering of the caller's own layers stays.
    this.#activation =
      given.activation === undefined ? null : layers.activation({activation: given.activation, name: 'activation'});
  }

  override build(inputShape: Shape | Shape[]): void {
    const inputs = this.#oneShape(inputShape).at(-1)!;
    const rows = ceilDiv(inputs, this.#sides[0]);
    if (this.mask !== null && this.mask.rows !== rows) {
      const cure = `Its inputs are ${inputs} numbers, ${rows} rows of blocks; check blockSize.`;
      refuse(`mask of ${this.name}`, `${this.mask.rows} rows of blocks`, String(rows), cure);
    }
    checkWeight(this.name, 'kernel', [inputs, this.units]);
    const {rules} = this.#weightRules;
    const {kernelInitializer, kernelRegularizer, kernelConstraint, biasInitializer, biasRegularizer, biasConstraint} = rules;
    const shape = [inputs, this.units];
    const kernel = this.addWeight('kernel', shape, 'float32', kernelInitializer, kernelRegularizer, true, kernelConstraint);
    this.#kernel = kernel;
    const kept = this.#keptNumbers(inputs);
    if (kept !== null)
      tf.tidy(() => {
        kernel.write(tf.mul(kernel.read(), tf.tensor2d(kept, [inputs, this.units])));
      });
    if (this.useBias)
      this.#bias = this.addWeight('bias', [this.units], 'float32', biasInitializer, biasRegularizer, true, biasConstraint);
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return [...this.#oneShape(inputShape).slice(0, -1), this.units];
  }

  override call(inputs: Tensor | Tensor[], kwargs: Readonly<Record<string, unknown>>): Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const [input] = [inputs].flat() as [Tensor];
      const [k, n] = this.#sides;
      const maskB = this.mask ?? undefined;
      // No mask is of a's rows: their block is of any size.
      const product: Tensor = blockSparseMatMul(input, this.#kernel!.read(), {blockSize: {m: 64, k, n}, maskB});
      const sum = this.#bias === undefined ? product : tf.add(product, this.#bias.read());
      return this.#activation === null ? sum : (this.#activation.call(sum, {}) as Tensor);
    });
  }

  /** The arguments, the mask as compressed rows. */
  override getConfig(): serialization.ConfigDict {
    const {units, useBias, mask} = this;
    const blockSize = typeof this.blockSize === 'number' ? this.blockSize : [...this.blockSize];
    const held = mask && {rows: mask.rows, offsets: [...mask.offsets], columns: [...mask.columns]};
    const activation = this.#activation?.getConfig()['activation'] ?? null;
    return {...super.getConfig(), units, blockSize, mask: held, activation, useBias, ...this.#weightRules.config};
  }

  #oneShape(inputShape: Shape | Shape[]): Shape {
    const list = (Array.isArray(inputShape[0]) ? inputShape : [inputShape]) as Shape[];
    const [shape] = list;
    if (list.length === 1 && shape!.length >= 2 && shape!.at(-1) !== null) return shape!;
    const found = list.length === 1 ? `shape ${sayArgument(shape)}` : `${list.length} of them`;
    return refuse(`inputs of ${this.name}`, found, 'one tensor [batch, …, inputs], the last size known', 'Join inputs before it.');
  }

  /** 1 where the kernel has a block, else 0; null: everywhere. */
  #keptNumbers(inputs: number): Float32Array | null {
    if (this.mask === null) return null;
    const {rows, offsets, columns} = this.mask;
    const [high, wide] = this.#sides;
    const kept = new Float32Array(inputs * this.units);
    for (let block = 0; block < rows; block++)
      for (const column of columns.slice(offsets[block], offsets[block + 1]))
        for (let row = block * high; row < Math.min(inputs, (block + 1) * high); row++)
          kept.fill(1, row * this.units + column * wide, row * this.units + Math.min(this.units, (column + 1) * wide));
    return kept;
  }
}
serialization.registerClass(BlockSparseDense);

function sidesOf(given: unknown): readonly [inputs: number, outputs: number] {
  const sides = Array.isArray(given) ? (given as unknown[]) : [given, given];
  const isSide = (side: unknown): side is number =>
    typeof side === 'number' && side >= LEAST_SIDE && side <= MOST_SIDE && side % 4 === 0;
  const [high, wide] = sides;
  if (sides.length === 2 && isSide(high) && isSide(wide)) return [high, wide];
  const expected = `a multiple of 4 from ${LEAST_SIDE} to ${MOST_SIDE}, or two such numbers`;
  return refuse('BlockSparseDense.blockSize', sayArgument(given), expected, 'Blocks of 32 and 64 are fast.');
}

const [LEAST_SIDE, MOST_SIDE] = [8, 128];

/** How many rows of blocks there are says the mask, until the inputs are known. */
function readMask(given: unknown, columns: number): CompressedMask | null {
  if (given === undefined || given === null) return null;
  if (given instanceof tf.Tensor)
    refuse('BlockSparseDense.mask', 'a tensor', 'an array, or compressed rows', 'Pass await mask.data(): a config holds numbers.');
  const mask = given as Exclude<BlockMaskInput, Tensor>;
  const rows = isList(mask) ? (isList(mask[0]) ? mask.length : Math.max(1, Math.ceil(mask.length / columns))) : rowsOf(mask);
  return compressedMask('BlockSparseDense.mask', mask, {rows, columns});
}

const rowsOf = (mask: unknown): number => {
  const rows: unknown = typeof mask === 'object' && mask !== null && 'rows' in mask ? mask.rows : 1;
  return Number.isInteger(rows) ? (rows as number) : 1;
};
