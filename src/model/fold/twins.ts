import type {NodeDef} from '../graph/graph.js';
import type {FoldContext} from './fold.js';

/** Ops that compute the same of the same, have one output, and of which models repeat whole chains: masks, sizes and positions in each layer. */
const REPEATED = new Set(
  (
    'Cast ExpandDims Squeeze Reshape Transpose Shape StridedSlice Slice GatherV2 Pack ConcatV2 Prod Range Fill Tile Sub Add AddV2 Mul ' +
    'RealDiv Neg Greater GreaterEqual Less LessEqual Equal LogicalAnd LogicalOr LogicalNot'
  ).split(' '),
);
/** Constants of up to so many elements are compared. */
const LONGEST = 8;

/** Nodes that compute what another one did: each layer of Keras makes its mask anew. */
export class Twins {
  private readonly first = new Map<string, string>();

  constructor(private readonly context: FoldContext) {}

  /** The first node that was asked for that is the same; undefined: this one is. */
  of(node: NodeDef): string | undefined {
    if (this.context.graph.outputs.has(node.name)) return undefined;
    const key = node.op === 'Const' ? this.valueOf(node.name) : REPEATED.has(node.op) ? keyOf(node) : undefined;
    if (key === undefined) return undefined;
    const known = this.first.get(key);
    if (known === undefined) this.first.set(key, node.name);
    return known;
  }

  private valueOf(name: string): string | undefined {
    const {constants} = this.context.weights;
    const shape = constants.shape(name);
    if (shape === undefined || shape.reduce((a, b) => a * b, 1) > LONGEST) return undefined;
    const values = constants.values(name);
    return (
      values && `${constants.dtype(name)} [${shape.join()}] ${values.map((value) => (Object.is(value, -0) ? '-0' : value)).join()}`
    );
  }
}

function keyOf({op, input, attr}: NodeDef): string {
  const attrs = Object.entries(attr ?? {})
    .filter(([name]) => !name.startsWith('_'))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `${op} ${JSON.stringify(input ?? [])} ${JSON.stringify(attrs)}`;
}
