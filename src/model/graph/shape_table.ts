import type {Constants} from './constants.js';
import type {Graph} from './graph.js';
import type {Size} from './size.js';

/** Sizes by dimension; each a number or an expression of unknown sizes. */
export type Shape = readonly Size[];

/** The elements of an int32 scalar or vector that a graph computes shapes with; undefined where only a run tells. */
export interface Sizes {
  readonly elements: readonly (Size | undefined)[];
  readonly scalar: boolean;
}

/** What is known of the tensors of a graph so far; tensors are named as in `NodeDef.input`. */
export interface ShapeTable {
  readonly graph: Graph;
  readonly constants: Constants;
  /** Undefined: not even the rank is known. */
  of(tensor: string): Shape | undefined;
  rank(tensor: string): number | undefined;
  /** The elements of an int32 scalar or vector. */
  valueOf(tensor: string): Sizes | undefined;
  /** The same where all of them are numbers. */
  integers(tensor: string | undefined): readonly number[] | undefined;
  integer(tensor: string | undefined): number | undefined;
  /** A size that has this name in all runs: an axis of a tensor that nothing is known of. */
  unknown(tensor: string, axis: number): Size;
  /** As many unknown sizes as the tensor has axes. */
  unknowns(tensor: string, rank: number): Shape;
  /** Whether a tensor of known rank is a product of matrices, perhaps with something added or multiplied. */
  isScores(tensor: string): boolean;
  /** Two operands do not fit, for which one of them is to blame if it is a weight. */
  conflict(inputs: readonly string[], what: string): void;
}
