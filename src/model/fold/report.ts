import type {FoldKind} from './fold.js';

/** What folding did to the nodes around the attention. */
export interface FoldReport {
  /** Nodes that a run of all outputs executes, with the attention swapped, before anything was folded; constants and inputs do not count. */
  readonly before: number;
  /** The same now. */
  readonly after: number;
  /** How many nodes each kind of fold left, or, for 'pass-through', 'duplicate' and 'shape arithmetic', did away with. */
  readonly folds: readonly {readonly kind: FoldKind; readonly count: number}[];
  /** What looked like something to fold and stayed, and why. */
  readonly left: readonly LeftFold[];
}

/** A node, or a function, that was not folded. */
export interface LeftFold {
  readonly name: string;
  readonly reason: string;
}

/** The parts of a report as one, which prints as text. */
export function foldReport(parts: FoldReport): FoldReport {
  const report = {...parts};
  Object.defineProperty(report, 'toString', {value: () => linesOf(report).join('\n')});
  return report;
}

function linesOf({before, after, folds, left}: FoldReport): string[] {
  const what = folds.map(({kind, count}) => `${count} ${kind}`).join(', ');
  return [
    `folded: ${before} nodes a run are now ${after}${what === '' ? '' : ` (${what})`}`,
    ...left.map(({name, reason}) => `  not folded '${name}': ${reason}`),
  ];
}
