import {ceilDiv} from '../../support/index.js';
import {each} from '../text/text.js';

/** How `units` are taken by so many invocations: for each round, what puts its text under a condition where not all have one. */
export const rounds = (units: number, threads: number): ((text: string) => string)[] =>
  Array.from({length: ceilDiv(units, threads)}, (_, n) => (text: string) =>
    (n + 1) * threads <= units ? text : `if (lane + ${n * threads}u < ${units}u) { ${text} }`,
  );

/** vec4 columns of an invocation. */
export const countOf = (columns: number, threadsX: number): number => ceilDiv(columns, threadsX);

/** Number c of these among those that are staged: past the end the last one. */
export const stagedColumn = (columns: number, threadsX: number, c: number): string =>
  threadsX * (c + 1) <= columns ? `tx + ${threadsX * c}u` : `min(tx + ${threadsX * c}u, ${columns - 1}u)`;

/** A text for each own column that there is. */
export const ownColumns = (columns: number, threadsX: number, text: (column: string, c: number) => string): string =>
  each(countOf(columns, threadsX), (c) => {
    const column = `(tx + ${threadsX * c}u)`;
    return threadsX * (c + 1) <= columns ? text(column, c) : `if (${column} < ${columns}u) { ${text(column, c)} }`;
  });
