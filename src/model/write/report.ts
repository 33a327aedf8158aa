import type {FoldReport} from '../fold/report.js';

/** What a swap did to a model. `found` = replaced + left. `String(report)` says all of it in lines of text. */
export interface SwapReport {
  readonly found: number;
  /** In the order in which they are computed, which is that of an array of patterns; those in function bodies come last. */
  readonly replaced: readonly ReplacedAttention[];
  readonly left: readonly LeftAttention[];
  /** How many Einsum nodes elsewhere became matrix products. */
  readonly einsums: number;
  /** What else is worth knowing: masks of all pairs that stay, Einsum nodes that stay. */
  readonly notes: readonly string[];
  /** Why no attention was touched at all, such as that there is none; empty when one was found. */
  readonly problems: readonly string[];
  /** What became of the nodes around; undefined with `fold: false`, and where the model stayed as it was. */
  readonly folded?: FoldReport | undefined;
}

/** An attention that is now one `SparseAttention` node. */
export interface ReplacedAttention {
  /** The node: the former product of probabilities and value, or the transpose behind it, whose name its consumers know. */
  readonly name: string;
  /** Its softmax. */
  readonly softmax: string;
  /** The tensors that it reads. */
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** Tensors that say which scores count, that are added to them or scale them row by row, and stay runtime inputs. */
  readonly bias: readonly string[];
  /** A causal mask of the model was recognised and joined with the pattern, so that no tensor of all pairs is made for it. */
  readonly causal: boolean;
  readonly scale: number;
  /** The order of axes of query, key, value and output, such as `blhd,blhd,blhd->blhd`; all alike: no transpose is left. */
  readonly axes: string;
  readonly pattern: string;
  /** Nodes of the original attention that still run because something else reads them. */
  readonly kept: readonly string[];
}

/** An attention that stayed as it was. */
export interface LeftAttention {
  /** Its softmax. */
  readonly name: string;
  readonly reason: string;
}

/** The parts of a report as one, which prints as text. */
export function reportOf(parts: SwapReport): SwapReport {
  const report = {...parts};
  // Not enumerable: a report is data, and compares and prints as such.
  Object.defineProperty(report, 'toString', {value: () => textOf(report)});
  return report;
}

/** The report on a model that was not touched. */
export const untouched = (problem: string): SwapReport =>
  reportOf({found: 0, replaced: [], left: [], einsums: 0, notes: [], problems: [problem]});

function textOf({found, replaced, left, einsums, notes, problems, folded}: SwapReport): string {
  const attentions = `${replaced.length} of ${found} ${found === 1 ? 'attention' : 'attentions'} replaced`;
  const products = einsums === 0 ? '' : `; ${einsums} Einsum ${einsums === 1 ? 'node' : 'nodes'} made matrix products`;
  return [
    `${attentions}${products}`,
    ...replaced.map((each) => `  replaced '${each.name}': ${sentenceOf(each)}`),
    ...left.map(({name, reason}) => `  left '${name}': ${reason}`),
    ...(folded === undefined || (folded.folds.length === 0 && folded.left.length === 0) ? [] : [String(folded)]),
    ...notes.map((note) => `  note: ${note}`),
    ...problems.map((problem) => `  problem: ${problem}`),
  ].join('\n');
}

function sentenceOf({pattern, scale, causal, bias, kept}: ReplacedAttention): string {
  const list = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');
  return [
    pattern,
    `scale ${Number(scale.toPrecision(6))}`,
    ...(causal ? ['its causal mask in the pattern'] : []),
    ...(bias.length > 0 ? [`with ${list(bias)}`] : []),
    ...(kept.length > 0 ? [`${list(kept)} still computed for others`] : []),
  ].join(', ');
}
