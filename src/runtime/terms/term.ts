import type {Tensor, Tensor4D, TensorInfo} from '@tensorflow/tfjs-core';
import type {Given, NamesOf} from '../../support/index.js';
import type {Features, Problem, TermRole} from '../../pure.js';
import type {CacheRows, Chunk, HeadedInputs, Part, TermNumbers, TermTensors} from './part.js';

/** What a call brings of a term. */
export interface Brought {
  readonly tensors?: TermTensors;
  readonly numbers?: TermNumbers;
}

/**
 * A term of scores as calls give it: its options and what is right of them, what kernels are told, and the same by TensorFlow.js ops. What
 * kernels make of it is its record in src/wgsl/terms, under the same name.
 */
export interface CallTerm<Options extends object = object> {
  readonly name: keyof Features;
  readonly options: NamesOf<Options>;
  /** The tensors that it brings, and those of them that hold int32. */
  readonly roles: readonly TermRole[];
  readonly integers?: boolean;
  /** The numbers that it brings. */
  readonly numbers?: readonly (keyof TermNumbers)[];

  /** What is found in the options, if that is right; throws a `SplatError` that names the option. */
  check(options: Given<Options>, call: {readonly rank: 3 | 4; readonly problem: Problem}): Brought;
  /** Whether numbers ask for it, of a term without tensors. */
  isOn?(numbers: TermNumbers): boolean;
  /** The numbers that follow from shapes of its tensors. */
  params?(tensors: {readonly [role in TermRole]?: Pick<TensorInfo, 'shape'>}): TermNumbers;
  /** What a call brings that is timed. What tensors hold changes no time, but for lengths, which hide nothing here. */
  example(problem: Problem): Brought;

  /**
   * A cache takes it as calls do: beside slots, whose kernels know where their keys stand, and in the whole call that begins one. Where
   * TensorFlow.js ops keep a cache, `rows` is what it adds instead of `ops`, for columns that stand anywhere.
   */
  readonly cached?: {rows?(tensors: TermTensors, rows: CacheRows): Tensor4D};

  /** By TensorFlow.js ops; as in the kernels, `moves` in the order of the list, then what is added, then what is hidden. */
  readonly ops: TermOps;
  /** By launches of ours: the gradient of each tensor that has one, when it is asked for. */
  readonly gradients?: {readonly [role in TermRole]?: (call: BackwardScores, tensor: Tensor) => Tensor};
}

export interface TermOps {
  /** What it makes of scores so far, in their unit, of which there are products scaled as `factorsOf` says first. */
  moves?(scores: Tensor, part: Part): Moved;
  /** What it takes from all scores of a row and leaves out of `moves`, in words of calls, broadcastable to [batch, heads, rows, 1]. */
  apart?(part: Omit<Part, 'unit'>): Tensor | null;
  /** What it adds, in the unit of scores, broadcastable to them; with `hides`, −∞ hides the pair. */
  adds?(part: Part): Tensor;
  readonly hides?: boolean;
  /** bool, broadcastable to the scores: which pairs attend. */
  shows?(part: Part): Tensor;
  /** What a row has seen before its first key, a score in words of calls, broadcastable to [batch, heads, rows, 1]. */
  seen?(part: Omit<Part, 'unit' | 'chunk'>): Tensor;
  /** What probabilities are multiplied by, [batch, heads, rows, keys]. */
  keeps?(part: Part): Tensor;

  /** The most rows of a chunk, of so many pairs at most. */
  mostRows?(pairs: number): number;
  /** The gradients of its tensors that a chunk has, and where in them they lie: an interval of one axis. */
  gradients?(back: BackwardPart): TermTensors;
  interval?(inputs: HeadedInputs, chunk: Chunk): {readonly axis: number; readonly begin: number; readonly end: number};
}

export interface Moved {
  readonly scores: Tensor;
  /** The derivative by the scores so far; without it, 1. Asked for in a backward pass alone. */
  readonly slope?: () => Tensor;
}

/** A chunk of a backward pass. */
export interface BackwardPart extends Part {
  /** Gradients of scores, [batch, heads, rows, keys]; null where no row of the chunk has keys. */
  readonly dScores: Tensor | null;
  /** Their sums over keys [batch, heads, rows, 1]: of its own, only what a row has seen before or a log-sum-exp makes it other than 0. */
  readonly rowSums: Tensor | null;
  /** The gradient of the score of what a row has seen before its first key, [batch, heads, rows, 1]. */
  readonly dSeen: Tensor | null;
}

/** What gradients of terms are made from where kernels of ours compute. */
export interface BackwardScores {
  readonly problem: Problem;
  /** Gradients of scores, summed over the dimensions that are 1 in [batch or 1, heads or 1, queryLength or 1, keyLength or 1]. */
  scores(shape: readonly number[]): Tensor;
  /** The same summed along the diagonals key − query, [heads or 1, queryLength + keyLength − 1]. */
  diagonals(heads: number): Tensor;
  /** The same summed over keys, [batch, heads, queryLength]. */
  rowSums(): Tensor;
  /** The gradient of what a row has seen before its first key, [batch, heads, queryLength]. */
  dSeen(): Tensor;
}
