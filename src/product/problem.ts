import {ceilDiv} from '../support/index.js';
import type {Precision} from '../plan/index.js';
import {leavesNothingOut, type BlockMask, type MaskSizes} from './block_mask.js';

/** Rows of the left operand, what is summed over, and columns of the right one: in numbers or in blocks. */
export interface ProductSizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** One call of `blockSparseMatMul`: for each product of a batch [m, k] × [k, n], which blocks of each matrix count. */
export interface ProductProblem extends ProductSizes {
  /** Numbers of a block along each side. */
  readonly block: ProductSizes;
  /** The left operand lies in memory as [k, m], the right one as [n, k]; so do their masks. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Of each product, which matrices it is of. */
  readonly matricesA: Int32Array;
  readonly matricesB: Int32Array;
  /** Null: all blocks count. */
  readonly maskA: BlockMask | null;
  readonly maskB: BlockMask | null;
  /** Blocks of the output outside of it are zeros. */
  readonly maskC: BlockMask | null;
  /** `float16`: tensor cores may round the operands. */
  readonly precision: Precision;
}

/** A word for an operand, or for the output. */
export type MaskName = 'maskA' | 'maskB' | 'maskC';

export const batchOf = ({matricesA}: Pick<ProductProblem, 'matricesA'>): number => matricesA.length;

/** Blocks along each side. */
export const blocksOf = ({m, k, n, block}: Pick<ProductProblem, 'm' | 'k' | 'n' | 'block'>): ProductSizes => ({
  m: ceilDiv(m, block.m),
  k: ceilDiv(k, block.k),
  n: ceilDiv(n, block.n),
});

/** What the mask of an operand looks like in memory, of so many matrices. */
export function maskSizes(
  name: MaskName,
  problem: Pick<ProductProblem, 'm' | 'k' | 'n' | 'block' | 'transposeA' | 'transposeB'>,
  matrices: number,
): MaskSizes {
  const {m, k, n} = blocksOf(problem);
  const [rows, columns] =
    name === 'maskC' ? [m, n] : name === 'maskA' ? (problem.transposeA ? [k, m] : [m, k]) : problem.transposeB ? [n, k] : [k, n];
  return {rows, columns, matrices};
}

/** Masks that leave nothing out are none. */
export function withoutFull(problem: ProductProblem): ProductProblem {
  const left = (mask: BlockMask | null): BlockMask | null => (mask === null || leavesNothingOut(mask) ? null : mask);
  return {...problem, maskA: left(problem.maskA), maskB: left(problem.maskB), maskC: left(problem.maskC)};
}

/** Which of the distinct masks of an operand one of its matrices has. */
export const maskIndex = (mask: BlockMask | null, matrix: number): number =>
  mask === null || mask.of.length === 1 ? 0 : mask.of[matrix]!;
