import type {Tensor} from '@tensorflow/tfjs-core';
import type {NamesOf, OptionWords} from '../../support/index.js';
import type {BlockMaskData, Device, Precision} from '../../pure.js';

/** Sides of blocks in numbers: of rows of the left operand, of what is summed over, of columns of the right one. */
export interface BlockSizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/**
 * Which blocks of a matrix count, row by row as it lies in memory (a transposed operand by its own rows): an array of 0 and 1 or of booleans,
 * flat or nested; compressed rows `{rows, offsets, columns}`; or a boolean tensor [block rows, block columns], which is read back once.
 * With more of these, or more axes in front, one for each matrix of the operand.
 */
export type BlockMaskInput = BlockMaskData | Tensor;

/** What `blockSparseMatMul` takes beside its operands. */
export interface BlockSparseOptions {
  /** Numbers along each side of a block: 8 to 128, a multiple of 4; or one such number for each of m, k and n. */
  readonly blockSize: number | BlockSizes;
  /** Blocks of a that count; the others are zeros, whatever they hold. Default all. */
  readonly maskA?: BlockMaskInput | null | undefined;
  /** Blocks of b that count. Default all. */
  readonly maskB?: BlockMaskInput | null | undefined;
  /** Blocks of the output that are wanted; the others are zeros. Default all. */
  readonly maskC?: BlockMaskInput | null | undefined;
  /** a is [.., K, M]. Default false. */
  readonly transposeA?: boolean | null | undefined;
  /** b is [.., N, K]. Default false. */
  readonly transposeB?: boolean | null | undefined;
  /**
   * `float16` lets tensor cores multiply, where `createWebGPUBackend({tensorCores: true})` found them and blocks are of 32, 64 or 128 (WebGPU only): they read
   * a and b rounded to float16, finite numbers past ±65504 as that. Sums and output stay float32. Where there are none, float32 computes.
   * Gradients do in any case, for halves lose what is smaller than 6e-8. Default `float32`.
   */
  readonly precision?: Precision | null | undefined;
}

/** The same for a plan, of a device. */
export interface BlockSparsePlanOptions extends BlockSparseOptions {
  /** Default: the limits that every WebGPU device guarantees; `currentDevice()` for the one at hand. */
  readonly device?: Device | null | undefined;
}

export const BLOCK_SPARSE_NAMES: NamesOf<BlockSparseOptions> = {
  blockSize: true,
  maskA: true,
  maskB: true,
  maskC: true,
  transposeA: true,
  transposeB: true,
  precision: true,
};

export const BLOCK_SPARSE_PLAN_NAMES: NamesOf<BlockSparsePlanOptions> = {...BLOCK_SPARSE_NAMES, device: true};

export const BLOCK_SPARSE_WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {blockSize: 32, maskA}',
  cure: 'Pass the options by name.',
  one: (name) => `option ${name}`,
  elsewhere: {
    blockSize: ['block', 'blocksize', 'block_size'],
    precision: ['dtype'],
    transposeA: ['adjointA', 'trans_a'],
    transposeB: ['adjointB', 'trans_b'],
  },
};
