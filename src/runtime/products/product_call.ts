import {listOf, refuse, say} from '../../support/index.js';
import {maskSizes, MOST_BLOCKS, type BlockMask, type MaskName, type ProductProblem} from '../../pure.js';
import {checkPrecision} from '../call/check.js';
import {maskGiven} from './mask_tensors.js';
import type {BlockSizes, BlockSparseOptions} from './options.js';

/** A product with the axes in front of its output. */
export interface ProductCall {
  readonly problem: ProductProblem;
  /** Of the output. */
  readonly lead: readonly number[];
}

/** Shapes and options of a call as one record, checked. */
export function productCall(aShape: readonly number[], bShape: readonly number[], options: BlockSparseOptions): ProductCall {
  const [transposeA, transposeB] = [flag('transposeA', options.transposeA), flag('transposeB', options.transposeB)];
  const [[rowsA, columnsA], [rowsB, columnsB]] = [sides('a', aShape), sides('b', bShape)];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [inner, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  if (k !== inner) {
    const found = `${k} and ${inner} numbers to sum over (a ${shapeText(aShape)}, b ${shapeText(bShape)})`;
    refuse('a and b', found, 'as many in both', 'Check transposeA and transposeB.');
  }
  const block = blockSizes(options.blockSize);
  const [leadA, leadB] = [aShape.slice(0, -2), bShape.slice(0, -2)];
  const lead = broadcast(leadA, leadB, aShape, bShape);
  const sizes = {m, k, n, block, transposeA, transposeB};
  const mask = (name: MaskName, matrices: number): BlockMask | null =>
    maskGiven(name, options[name] ?? undefined, maskSizes(name, sizes, matrices));
  const problem = {
    ...sizes,
    matricesA: matricesOf(leadA, lead),
    matricesB: matricesOf(leadB, lead),
    maskA: mask('maskA', countOf(leadA)),
    maskB: mask('maskB', countOf(leadB)),
    maskC: mask('maskC', countOf(lead)),
    precision: checkPrecision(options.precision ?? undefined),
  };
  // The smallest step where no mask says what a block is.
  const blocks = k / (problem.maskA === null && problem.maskB === null ? 4 : block.k);
  if (blocks > MOST_BLOCKS)
    refuse(
      'a and b',
      `${k} numbers to sum over`,
      `at most ${Math.floor((k / blocks) * MOST_BLOCKS)}`,
      'Add the products of parts of them.',
    );
  return {problem, lead};
}

export const countOf = (lead: readonly number[]): number => lead.reduce((a, b) => a * b, 1);

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

function sides(name: string, shape: readonly number[]): [rows: number, columns: number] {
  if (shape.length < 2)
    refuse(
      name,
      `shape ${shapeText(shape)}`,
      'a matrix, or more axes in front of one',
      `A vector is a matrix of one row: [1, ${shape[0] ?? 1}].`,
    );
  return [shape.at(-2)!, shape.at(-1)!];
}

function flag(name: string, given: unknown): boolean {
  if (given === undefined || given === null) return false;
  return typeof given === 'boolean' ? given : refuse(`option ${name}`, say(given), 'true or false', 'Leave it out for false.');
}

const LEAST = 8;
const MOST = 128;

function blockSizes(given: unknown): BlockSizes {
  if (typeof given === 'number' || given === undefined || given === null) {
    const size = blockSide('option blockSize', given);
    return {m: size, k: size, n: size};
  }
  if (typeof given !== 'object') refuse('option blockSize', say(given), 'a number or {m, k, n}', 'Blocks of 32 and 64 are fast.');
  const {m, k, n} = given as Partial<BlockSizes>;
  return {m: blockSide('blockSize.m', m), k: blockSide('blockSize.k', k), n: blockSide('blockSize.n', n)};
}

/** A side of a block that a caller gave. */
export function blockSide(name: string, given: unknown): number {
  if (typeof given === 'number' && given >= LEAST && given <= MOST && given % 4 === 0) return given;
  return refuse(
    name,
    say(given),
    `a multiple of 4 from ${LEAST} to ${MOST}`,
    'Blocks of 32 and 64 are fast; blocks of another size may be cut or joined into such.',
  );
}

/** Axes in front of the output, as tf.matMul has them: of equal length, or 1. */
function broadcast(
  leadA: readonly number[],
  leadB: readonly number[],
  aShape: readonly number[],
  bShape: readonly number[],
): number[] {
  const rank = Math.max(leadA.length, leadB.length);
  const [ofA, ofB] = [leadA, leadB].map((own) => [...listOf(rank - own.length, () => 1), ...own]) as [number[], number[]];
  return listOf(rank, (axis) => {
    const [one, other] = [ofA[axis]!, ofB[axis]!];
    if (one === other || other === 1) return one;
    if (one === 1) return other;
    const found = `a ${shapeText(aShape)}, b ${shapeText(bShape)}`;
    return refuse('a and b', found, 'axes in front that are equal, or 1', `Axis ${axis} of the batch is ${one} and ${other}.`);
  });
}

/** For each product of a batch, which matrix of an operand it is of. */
function matricesOf(own: readonly number[], lead: readonly number[]): Int32Array {
  const found = new Int32Array(countOf(lead));
  let [inner, stride] = [1, 1];
  for (let axis = lead.length - 1; axis >= 0; axis--) {
    const size = lead[axis]!;
    const at = axis - lead.length + own.length;
    const ownSize = at < 0 ? 1 : own[at]!;
    if (ownSize > 1) for (let i = 0; i < found.length; i++) found[i]! += (Math.floor(i / inner) % size) * stride;
    inner *= size;
    stride *= ownSize;
  }
  return found;
}
