/**
 * Scores are in units of log2 and finite by construction. From the top: LOWEST is the lowest score a bias can push a pair to, EMPTY the
 * running maximum of a row that has seen no key, HIDDEN the score of a pair that does not attend. exp2(HIDDEN − EMPTY) is exactly 0, so
 * masked pairs and empty rows need no further case, and a row whose keys were all pushed to LOWEST is uniform, as softmax has it.
 */
export const NUMBERS = /* wgsl */ `
const LOWEST = -1e38;
const EMPTY = -2e38;
const HIDDEN = -3e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;
`;

/** The score of a pair with an additive bias. Minus infinity hides the pair; NaN passes through both selects. */
export const BIASED = /* wgsl */ `
fn biased(score: f32, bias: f32) -> f32 {
  let sum = fma(bias, 1.4426950408889634, score);
  return select(select(sum, LOWEST, sum < LOWEST), HIDDEN, bitcast<u32>(bias) == 0xff800000u);
}
`;

/** Access to rows of a float32 tensor as vec4 columns. */
export interface RowAccess {
  /** WGSL element type of the binding. */
  readonly element: 'vec4f' | 'f32';
  /** Declarations the expressions below need. */
  readonly functions: string;
  load(row: string, column: string): string;
  store(row: string, column: string, value: string): string;
}

/** Rows whose length is a multiple of 4 are read as vec4; others element by element, zero past their end. */
export function rowAccess(binding: string, length: number, writes = false): RowAccess {
  if (length % 4 === 0) {
    const at = (row: string, column: string): string => `${binding}[${row} * ${length / 4}u + ${column}]`;
    return {element: 'vec4f', functions: '', load: at, store: (row, column, value) => `${at(row, column)} = ${value};`};
  }
  const part = (i: number): string =>
    i === 0 ? `${binding}[at]` : `select(0.0, ${binding}[at + ${i}u], column * 4u + ${i}u < ${length}u)`;
  const functions = /* wgsl */ `
fn ${binding}At(row: u32, column: u32) -> vec4f {
  let at = row * ${length}u + column * 4u;
  return vec4f(${[0, 1, 2, 3].map(part).join(', ')});
}
${
  writes
    ? `fn set_${binding}(row: u32, column: u32, value: vec4f) {
  let at = row * ${length}u + column * 4u;
  ${binding}[at] = value.x;
  if (column * 4u + 1u < ${length}u) { ${binding}[at + 1u] = value.y; }
  if (column * 4u + 2u < ${length}u) { ${binding}[at + 2u] = value.z; }
  if (column * 4u + 3u < ${length}u) { ${binding}[at + 3u] = value.w; }
}`
    : ''
}
`;
  return {
    element: 'f32',
    functions,
    load: (row, column) => `${binding}At(${row}, ${column})`,
    store: (row, column, value) => `set_${binding}(${row}, ${column}, ${value});`,
  };
}
