import {dataInputs, textAttr, type NodeDef} from './graph.js';
import type {Shape, ShapeTable} from './shape_table.js';
import {isNeverOne, numberOf, over, same, sizeOf, times, type Size} from './size.js';

/**
 * The shape of the output of a `SparseAttention` node, as its attribute `axes` has it. A mask may have more sequences or queries than the
 * products: where it is not known to have none, only a run tells how many the output has.
 */
export function attentionShape(shapes: ShapeTable, node: NodeDef): Shape | undefined {
  const [read = '', writes = ''] = textAttr(node.attr?.['axes']).split('->');
  const specs = read.split(',');
  const inputs = dataInputs(node);
  if (specs.length !== 3 || writes === '' || `${read}${writes}`.includes('*') || node.attr?.['broadcast'] !== undefined)
    return undefined;
  const count = (name: string): Size | undefined =>
    node.attr?.[name]?.i === undefined ? undefined : sizeOf(Number(node.attr[name].i));
  const heads = count('heads');
  const keyHeads = count('key_heads') ?? heads;
  const headDim = count('head_dim');
  const sizes = specs.map((spec, i) => sizesOf(spec, shapes.of(inputs[i]!), i === 0 ? heads : keyHeads, headDim));
  const [query, key, value] = sizes;
  if (query === undefined || key === undefined || value === undefined) return undefined;
  const terms = inputs.slice(3).map((term) => shapes.of(term));
  if (terms.some((term) => term === undefined || term.length > Math.max(4, writes.length))) return undefined;
  const sizeOfAxis = (letter: string, axis: number): Size => {
    if (letter === 'd') return value.get('d') ?? shapes.unknown(node.name, axis);
    if (letter === 'f') return merged(heads, value.get('d')) ?? shapes.unknown(node.name, axis);
    if (letter === 'h' && heads !== undefined) return heads;
    if (letter === 'b' && node.attr?.['query_batch']?.b === true) return query.get('b') ?? shapes.unknown(node.name, axis);
    const own = letter === 'l' ? query.get('l') : [query, key, value].map((sizes) => sizes.get(letter)).reduce(larger);
    const fits = terms.every((term) => isWithin(term!, letter, own));
    return (fits ? own : undefined) ?? shapes.unknown(node.name, axis);
  };
  return [...writes].map(sizeOfAxis);
}

/** The sizes of the axes of an operand by letter; the features of all heads taken apart. */
function sizesOf(
  spec: string,
  shape: Shape | undefined,
  heads: Size | undefined,
  headDim: Size | undefined,
): Map<string, Size> | undefined {
  if (shape === undefined || shape.length !== spec.length) return undefined;
  const sizes = new Map<string, Size>();
  [...spec].forEach((letter, axis) => {
    const size = shape[axis]!;
    if (letter !== 'f') sizes.set(letter, size);
    // Of a tensor that holds more than its heads, the node says how many features they have.
    const dim = letter === 'f' && heads !== undefined ? (headDim ?? over(size, heads)) : undefined;
    if (dim !== undefined) sizes.set('h', heads!).set('d', dim);
  });
  return sizes;
}

const merged = (heads: Size | undefined, dim: Size | undefined): Size | undefined => heads && dim && times(heads, dim);

/** One sequence beside many stands for each; heads of keys that are fewer than those of the query are shared. */
function larger(a: Size | undefined, b: Size | undefined): Size | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (numberOf(a) === 1) return b;
  if (numberOf(b) === 1 || same(a, b)) return a;
  return isNeverOne(a) ? a : undefined;
}

/** The axes of a mask, from the last: keys, queries, heads, sequences. */
const MASK_AXES = 'klhb';

/** Whether a mask repeats along an axis, or has as many elements. One whose axes are spelled otherwise has a size of its own there. */
function isWithin(term: Shape, letter: string, own: Size | undefined): boolean {
  const size = term.at(-1 - MASK_AXES.indexOf(letter));
  return size === undefined || numberOf(size) === 1 || same(size, own);
}
