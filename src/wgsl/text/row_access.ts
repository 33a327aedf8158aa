import {
  columnsIn,
  convertedOperands,
  FORMATS,
  operandBytes,
  type FormatName,
  type Formats,
  type OperandName,
  type Work,
} from '../../plan/index.js';
import {halves} from './numbers.js';
import type {BindingRole} from './program.js';

/** Access to the rows of a tensor by column: a vec4 of floats, or a vec4 of words with eight halves. */
export interface RowAccess {
  /** WGSL element type of the binding. */
  readonly element: 'vec4f' | 'f32' | 'vec4u';
  /** Columns of a row. */
  readonly columns: number;
  /** Declarations the expressions below need. */
  readonly functions: string;
  /** Where a row begins; the other two take it. Computed once per row: the multiplication costs 0.8 % in the score loop (H200, 2026-11-20). */
  base(row: string): string;
  load(base: string, column: string): string;
  store(base: string, column: string, value: string): string;
  /** The vec4 of floats in a column that was loaded. */
  floats(column: string): readonly string[];
}

/** Rows of float32 whose length is a multiple of 4 are read as vec4; others element by element, zero past their end. */
export function rowAccess(binding: string, features: number, writes = false): RowAccess {
  if (features % 4 === 0) return columnAccess(binding, 'vec4f', features / 4, asLoaded);
  const part = (i: number): string =>
    i === 0 ? `${binding}[at]` : `select(0.0, ${binding}[at + ${i}u], column * 4u + ${i}u < ${features}u)`;
  const functions = /* wgsl */ `
fn ${binding}At(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(${[0, 1, 2, 3].map(part).join(', ')});
}
${
  writes
    ? `fn set_${binding}(base: u32, column: u32, four: vec4f) {
  let at = base + column * 4u;
  ${binding}[at] = four.x;
  if (column * 4u + 1u < ${features}u) { ${binding}[at + 1u] = four.y; }
  if (column * 4u + 2u < ${features}u) { ${binding}[at + 2u] = four.z; }
  if (column * 4u + 3u < ${features}u) { ${binding}[at + 3u] = four.w; }
}`
    : ''
}
`;
  return {
    element: 'f32',
    columns: columnsIn('float32', features),
    functions,
    base: (row) => `${row} * ${features}u`,
    load: (base, column) => `${binding}At(${base}, ${column})`,
    store: (base, column, value) => `set_${binding}(${base}, ${column}, ${value});`,
    floats: asLoaded,
  };
}

const asLoaded = (column: string): string[] => [column];

/** Rows of packed halves, as the conversion pass leaves them. */
const halvesAccess = (binding: string, features: number): RowAccess =>
  columnAccess(binding, 'vec4u', columnsIn('float16', features), (column) => [`lower(${column})`, `upper(${column})`]);

function columnAccess(binding: string, element: 'vec4f' | 'vec4u', columns: number, floats: RowAccess['floats']): RowAccess {
  const at = (base: string, column: string): string => `${binding}[${base} + ${column}]`;
  return {
    element,
    columns,
    functions: '',
    base: (row) => `${row} * ${columns}u`,
    load: at,
    store: (base, column, value) => `${at(base, column)} = ${value};`,
    floats,
  };
}

/** The buffer that holds an operand in its format. */
export const roleOf = (operand: OperandName, formats: Formats): BindingRole => `${operand}${FORMATS[formats[operand]].suffix}`;

export const rolesOf = (formats: Formats): [query: BindingRole, key: BindingRole, value: BindingRole] => [
  roleOf('query', formats),
  roleOf('key', formats),
  roleOf('value', formats),
];

/** Bytes of the buffers of converted operands, by their roles. */
export function convertedBytes({problem, formats}: Pick<Work, 'problem' | 'formats'>): Partial<Record<BindingRole, number>> {
  const bytes = operandBytes(problem, formats);
  return Object.fromEntries(convertedOperands(formats).map((operand) => [roleOf(operand, formats), bytes[operand]]));
}

/** The rows of each format. */
const ACCESS: Readonly<Record<FormatName, (binding: string, features: number, writes: boolean) => RowAccess>> = {
  float32: rowAccess,
  float16: halvesAccess,
};

/** Access to the rows of an operand in its format. */
export const operandAccess = (operand: OperandName, formats: Formats, features: number, writes = false): RowAccess =>
  ACCESS[formats[operand]](roleOf(operand, formats), features, writes);

/** Functions that \`floats\` calls. \`native\`: the device converts halves itself. */
export const floatsFunctions = (formats: Formats, native: boolean): string =>
  Object.values(formats).includes('float16') ? halves(native) : '';
