import {dataInputs, textAttr, type NodeDef} from './graph.js';
import type {ShapeTable} from './shape_table.js';

/** One operand of a product; a name for each of its axes. `*` in front stands for any leading axes, where the rank is unknown. */
export interface Factor {
  readonly input: string;
  readonly labels: readonly string[];
}

/** A product of two tensors, as an Einsum would say it: axes of the same name go together, those that are not in `out` are summed. */
export interface Contraction {
  readonly operands: readonly [Factor, Factor];
  readonly out: readonly string[];
}

/** Batched products. TF1 files say `BatchMatMul`. */
export const BATCH_MATMULS: readonly string[] = ['BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3'];
const PRODUCTS: readonly string[] = [...BATCH_MATMULS, 'Einsum', 'MatMul', '_FusedMatMul'];

/**
 * The product that a node computes, by named axes; undefined when it computes none, or something besides.
 *
 * @param ranks Ranks that are known better than the shapes tell, by input.
 */
export function contractionOf(
  shapes: ShapeTable,
  node: NodeDef,
  ranks: ReadonlyMap<string, number | undefined> = new Map(),
): Contraction | undefined {
  const [left, right, ...more] = dataInputs(node);
  if (!PRODUCTS.includes(node.op) || left === undefined || right === undefined || more.length > 0) return undefined;
  const rank = (input: string): number | undefined => (ranks.has(input) ? ranks.get(input) : shapes.rank(input));
  if (node.op === 'Einsum') return parseEquation(textAttr(node.attr?.['equation']), [left, right], rank);
  if (node.op === '_FusedMatMul' && (node.attr?.['fused_ops']?.list?.s?.length ?? 0) > 0) return undefined;
  const batched = BATCH_MATMULS.includes(node.op);
  const flag = (name: string): boolean => node.attr?.[name]?.b === true;
  const operand = (input: string, matrix: readonly string[], transposed: boolean): Factor => ({
    input,
    labels: [...(batched ? leading(rank(input)) : []), ...(transposed ? matrix.toReversed() : matrix)],
  });
  const a = operand(left, ['row', 'sum'], flag(batched ? 'adj_x' : 'transpose_a'));
  const b = operand(right, ['sum', 'column'], flag(batched ? 'adj_y' : 'transpose_b'));
  const [before, other] = [a, b].map(({labels}) => labels.slice(0, -2)) as [string[], string[]];
  // Where one rank is unknown, it is taken for the other.
  const out = before[0] === '*' || (other[0] !== '*' && other.length > before.length) ? other : before;
  return {operands: [a, b], out: [...out, 'row', 'column']};
}

/** Names of leading axes, counted from the matrix: as broadcasting does. */
function leading(rank: number | undefined): string[] {
  return rank === undefined ? ['*'] : Array.from({length: Math.max(0, rank - 2)}, (_, i) => `batch${rank - 3 - i}`);
}

/** `ab,bc->ac`, in letters of either case; undefined for the diagonals and traces of repeated letters. */
function parseEquation(
  equation: string,
  inputs: readonly [string, string],
  rank: (input: string) => number | undefined,
): Contraction | undefined {
  const [left = '', out] = equation.replace(/\s/g, '').split('->');
  const terms = left.split(',');
  if (out === undefined || terms.length !== 2) return undefined;
  const parts = terms.map((term, i) => labelsOf(term, rank(inputs[i]!)));
  const [a, b] = parts;
  if (a === undefined || b === undefined) return undefined;
  const dots = parts.map((labels) => labels!.filter((label) => label === '*' || label.startsWith('batch')));
  const widest = dots[0]!.length >= dots[1]!.length ? dots[0]! : dots[1]!;
  const outLabels = out.includes('...') ? spell(out, widest) : [...out];
  if (new Set(outLabels).size !== outLabels.length || !outLabels.every((label) => a.includes(label) || b.includes(label)))
    return undefined;
  return {
    operands: [
      {input: inputs[0], labels: a},
      {input: inputs[1], labels: b},
    ],
    out: outLabels,
  };
}

function labelsOf(term: string, rank: number | undefined): string[] | undefined {
  const letters = term.replace('...', '');
  if (!/^[a-zA-Z]*$/.test(letters)) return undefined;
  const dotted = term.includes('...');
  if (rank !== undefined && (dotted ? letters.length > rank : letters.length !== rank)) return undefined;
  if (dotted && rank === undefined && !term.startsWith('...')) return undefined;
  const labels = spell(term, leading(rank === undefined ? undefined : rank - letters.length + 2));
  return new Set(labels).size === labels.length ? labels : undefined;
}

function spell(term: string, dots: readonly string[]): string[] {
  const [before = '', after] = term.split('...');
  return after === undefined ? [...before] : [...before, ...dots, ...after];
}
