import {ceilDiv} from '../../support/index.js';
import {each} from '../text/text.js';

/** How `units` are taken by so many invocations: for each round, what puts its text under a condition where not all have one. */
export const rounds = (units: number, threads: number): ((text: string) => string)[] =>
  Array.from(
    {length: ceilDiv(units, threads)},
    (_, n) => (text: string) => ((n + 1) * threads <= units ? text : `if (lane + ${n * threads}u < ${units}u) { ${text} }`),
  );

/** vec4 columns of an invocation. */
export const ownColumnCount = (columns: number, threadsX: number): number => ceilDiv(columns, threadsX);

/** Number c of these among those that are staged: past the end the last one. */
export const stagedColumn = (columns: number, threadsX: number, c: number): string =>
  threadsX * (c + 1) <= columns ? `tx + ${threadsX * c}u` : `min(tx + ${threadsX * c}u, ${columns - 1}u)`;

/** A text for each own column that there is. */
export const ownColumns = (columns: number, threadsX: number, text: (column: string, c: number) => string): string =>
  each(ownColumnCount(columns, threadsX), (c) => {
    const column = `(tx + ${threadsX * c}u)`;
    return threadsX * (c + 1) <= columns ? text(column, c) : `if (${column} < ${columns}u) { ${text(column, c)} }`;
  });

export const loaded = (four: string, finite: boolean): string => (finite ? `finiteFour(${four})` : four);

/** By bits, for compilers may take it that no float is infinite. */
export const FINITE_FOUR = /* wgsl */ `
fn finiteFour(four: vec4f) -> vec4f {
  let exponents = bitcast<vec4u>(four) & vec4u(0x7f800000u);
  return select(four, vec4f(), exponents == vec4u(0x7f800000u));
}
`;
