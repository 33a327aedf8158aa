import type {Alignment, CausalMask} from './causal.js';
import type {Contraction} from '../graph/contraction.js';
import type {Folder} from './fold.js';
import type {NodeDef} from '../graph/graph.js';
import type {Pairs} from './pairs.js';
import type {Dims} from './regroup.js';
import type {ShapeTable} from '../graph/shape_table.js';
import type {Size} from '../graph/size.js';

/** A tensor that is added to the scores, that scales them, or that says which of them count. */
export interface Term {
  readonly input: string;
  /**
   * `add`: the tensor times the factor. `times`, `over`: what the product is multiplied with or divided by, one number for each row or each
   * key, so that query or key can take it, and with it what was added before. `keep`, `drop`: a condition, or ones and zeros; where it is
   * false, or true, nothing is attended to.
   */
  readonly kind: 'add' | 'times' | 'over' | 'keep' | 'drop';
  readonly factor: number;
  /** The axes of the scores where it came in. */
  readonly dims: Dims;
  /** Of a scale: the scores were shifted before, so that it must be the same for all keys. */
  readonly shifted?: true;
}

export const isScale = ({kind}: Term): boolean => kind === 'times' || kind === 'over';

/** Sizes that the scores were broadcast to by a tensor of which nothing else is left; 1 where they had that size. */
export interface Growth {
  readonly sizes: readonly number[];
  /** The axes of the scores there. */
  readonly dims: Dims;
}

/** The normal form of what a softmax of attention reads: scale · query·keyᵀ + Σ terms, and perhaps a causal mask. */
export interface Logits {
  readonly product: NodeDef;
  readonly contraction: Contraction;
  readonly dims: Dims;
  readonly sizes: ReadonlyMap<string, Size>;
  readonly splits: ReadonlyMap<string, readonly string[]>;
  readonly scale: number;
  /** In the order in which they come in. */
  readonly terms: readonly Term[];
  /** What folded tensors broadcast the scores to. */
  readonly growth: readonly Growth[];
  /** Set when a causal mask was recognised and taken out. */
  readonly causal?: Alignment;
  /** Something that is the same for all keys of a row was added and left out, because softmax does not see it. */
  readonly shifted?: true;
  /** The axis of which the maximum was subtracted and left out: that of the keys, if it is right. */
  readonly maximum?: string;
  /** A mask of ones and zeros that the scores were multiplied with; it needs an addend that pushes down what it makes 0. */
  readonly multiplied?: string;
  /** The nodes that computed it, from the softmax's operand to the product. */
  readonly path: readonly PathNode[];
}

/** A node between product and softmax, with the axes of what it makes. */
export interface PathNode {
  readonly name: string;
  readonly dims: Dims;
  /** Something was added by then, which may have made it larger. */
  readonly masked: boolean;
}

export interface LogitsContext {
  readonly shapes: ShapeTable;
  readonly folder: Folder;
  /** By node: causal masks cost a look at a whole constant. */
  readonly causalMasks: Map<string, CausalMask | undefined>;
  /** Tensors that hold pairs, whatever mixes them. */
  readonly pairs: Pairs;
  /** By tensor: sums are tried on both sides. */
  readonly logits: Map<string, Logits | string>;
}

/** The logits behind one more node. */
export const through = (node: NodeDef, inner: Logits, changes: Partial<Logits>): Logits => {
  const logits = {...inner, ...changes};
  return {...logits, path: [{name: node.name, dims: logits.dims, masked: isMasked(logits)}, ...inner.path]};
};

/** Whether the scores met a tensor, which may have made them larger. */
export const isMasked = ({terms, growth}: Logits): boolean => terms.length > 0 || growth.length > 0;

/** The logits with one more tensor, which may have more axes. */
export function withTerm({shapes}: LogitsContext, logits: Logits, term: Omit<Term, 'dims'>): Logits {
  const wide = withRank(logits, shapes.rank(term.input));
  return {...wide, terms: [...wide.terms, {...term, dims: wide.dims}]};
}

/** Logits with further axes in front, where a tensor that is broadcast with them has more. */
export function withRank(logits: Logits, rank: number | undefined): Logits {
  const {dims, path} = logits;
  if (rank === undefined || rank <= dims.length || dims[0]?.[0] === '*') return logits;
  const more = Array.from({length: rank - dims.length}, (_, i) => [`${path[0]!.name}/axis${rank - i}`]);
  return {...logits, dims: [...more, ...dims]};
}
