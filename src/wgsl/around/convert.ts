import {convertedOperands, paddedRow, type FormatName, type Formats, type OperandName, type Work} from '../../plan/index.js';
import {gridIndex, gridOf} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {packedHalves} from '../text/packed_halves.js';
import {PARAMS} from '../text/params.js';
import type {Launch, Program} from '../text/program.js';
import {convertedBytes, operandAccess, roleOf, rowAccess, type RowAccess} from '../text/row_access.js';
import {lines, list} from '../text/text.js';

const INVOCATIONS = 256;

/** The grid of the conversion: a layer for each converted tensor, an invocation for a column. */
export function convertGrid(plan: Work): Launch['grid'] {
  const bytes = Object.values(convertedBytes(plan));
  return gridOf(Math.max(...bytes) / 16, INVOCATIONS, bytes.length);
}

/** Converts the operands that are not read as the tensors that they are, the rows padded with zeros. */
export function convertProgram({problem: {headDim, valueDim}, device, formats}: Work): Program {
  const tensors = convertedOperands(formats).map((operand) => {
    const features = operand === 'value' ? valueDim : headDim;
    const format = formats[operand];
    const [from, to] = [rowAccess(operand, features), operandAccess(operand, formats, features, true)];
    return {operand, role: roleOf(operand, formats), format, from, to, padded: paddedRow(format, features)};
  });
  const convert = ({operand, format, role, from, to}: (typeof tensors)[number], layer: number): string =>
    lines(
      `case ${layer}u: {`,
      `if (index >= arrayLength(&${role})) { return; }`,
      `let row = index / ${to.columns}u;`,
      `let column = index % ${to.columns}u;`,
      `let base = ${from.base(sourceRow(operand))};`,
      to.store('index', '0u', columnOf(format, from, to)),
      '}',
    );
  const roles = tensors.map(({role}) => role);
  return program({
    name: 'SparseAttention.convert',
    bindings: ['params', ...tensors.map(({operand}) => operand), ...roles],
    writes: roles,
    directives: device.float16 ? ['enable f16'] : [],
    elements: Object.fromEntries(
      tensors.flatMap(({operand, role, from, to}) => [
        [operand, from.element],
        [role, to.element],
      ]),
    ),
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// ${list(tensors.map(({operand}) => operand))} as halves, rows padded to ${list(tensors.map(({padded}) => `${padded}`))}. An invocation converts eight.
`,
      PARAMS,
      ...tensors.map(({from}) => from.functions),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(INVOCATIONS)};
switch group.z {
${lines(...tensors.map(convert))}
default: {}
}
}
`,
      columnFunctions(formats, device.float16),
    ),
  });
}

/**
 * Where a row lies in its tensor, which may have further ones between those of a token and the next. Strides are those of the layout `blhd`:
 * without such rows they are right for both, for then rows follow one another as the copies do.
 */
function sourceRow(operand: OperandName): string {
  const [heads, strides] = operand === 'query' ? ['heads', 'queryStrides'] : ['keyHeads', 'keyStrides'];
  const first = operand === 'value' ? `params.${strides}.w + params.valuesBehind` : `params.${strides}.w`;
  return `(${first} + row / params.${heads} * params.${strides}.y + row % params.${heads})`;
}

/** Column `column` of a row in a format, from the row of floats at `base`. */
export function columnOf(format: FormatName, from: RowAccess, to: RowAccess): string {
  return format === 'float16' ? eightHalves(from, to) : from.load('base', 'column');
}

/** Functions that such columns call. `native`: the device converts to halves itself. */
export function columnFunctions(formats: Formats, native: boolean): string {
  return Object.values(formats).includes('float16') ? packedHalves(native) : '';
}

/** Column `column` of a row of halves, from the row of floats at `base`; past its end zeros. */
function eightHalves(from: RowAccess, to: RowAccess): string {
  const half = (e: number): string => {
    const load = from.load('base', `(2u * column + ${e}u)`);
    const inside = 2 * to.columns <= from.columns;
    return `packed(${inside ? load : `select(vec4f(), ${from.load('base', `min(2u * column + ${e}u, ${from.columns - 1}u)`)}, 2u * column + ${e}u < ${from.columns}u)`})`;
  };
  return `vec4u(${half(0)}, ${half(1)})`;
}
