import {dataInputs, textAttr, type NodeDef} from './graph.js';
import type {Shape, ShapeTable} from './shape_table.js';
import {isNeverOne, numberOf, over, same, sizeOf, times, type Size} from './size.js';

/**
 * The shape of the output of a `SparseAttention` node, as its attribute `axes` has it. As elsewhere, masks are taken to have no more elements
 * along an axis than the scores, unless their sizes say otherwise.
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
  const sizes = specs.map((spec, i) => sizesOf(spec, shapes.of(inputs[i]!), i === 0 ? heads : keyHeads));
  const [query, key, value] = sizes;
  if (query === undefined || key === undefined || value === undefined) return undefined;
  const grown = inputs.slice(3).some((term) => isLarger(shapes.of(term), writes, query));
  if (grown) return undefined;
  const sizeOfAxis = (letter: string, axis: number): Size => {
    const known =
      letter === 'l'
        ? query.get('l')
        : letter === 'd'
          ? value.get('d')
          : letter === 'f'
            ? merged(heads, value.get('d'))
            : letter === 'h' && heads !== undefined
              ? heads
              : [query, key, value].map((own) => own.get(letter)).reduce(larger);
    return known ?? shapes.unknown(node.name, axis);
  };
  return [...writes].map(sizeOfAxis);
}

/** The sizes of the axes of an operand by letter; the features of all heads taken apart. */
function sizesOf(spec: string, shape: Shape | undefined, heads: Size | undefined): Map<string, Size> | undefined {
  if (shape === undefined || shape.length !== spec.length) return undefined;
  const sizes = new Map<string, Size>();
  [...spec].forEach((letter, axis) => {
    const size = shape[axis]!;
    if (letter !== 'f') sizes.set(letter, size);
    const dim = letter === 'f' && heads !== undefined ? over(size, heads) : undefined;
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

/** Whether a mask is known to have more axes than the output, or more elements along one of its leading axes. */
function isLarger(term: Shape | undefined, writes: string, query: ReadonlyMap<string, Size>): boolean {
  if (term === undefined) return false;
  if (term.length > 4 && term.length > writes.length) return true;
  return ['h', 'b'].some((letter, i) => {
    const own = numberOf(term.at(-3 - i));
    return own !== undefined && own !== 1 && numberOf(query.get(letter)) === 1;
  });
}
