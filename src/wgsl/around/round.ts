import {convertedOperands, operandBytes, TENSORS, type Formats, type OperandName, type Work} from '../../plan/index.js';
import {packedHalves} from '../text/packed_halves.js';
import {gridIndex, gridOf} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {halves} from '../text/numbers.js';
import {PARAMS} from '../text/params.js';
import type {BindingRole, Launch, Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {lines, list} from '../text/text.js';

const INVOCATIONS = 256;

const ROLES = {query: 'queryRounded', key: 'keyRounded', value: 'valueRounded'} as const satisfies Partial<
  Record<BindingRole, BindingRole>
>;

/** Operands as floats that are what their format holds, by the tensor in whose place a backward pass reads them. */
export const roundedRoles = (formats: Formats): Partial<Record<BindingRole, BindingRole>> =>
  Object.fromEntries(convertedOperands(formats).map((operand) => [operand, ROLES[operand]]));

/** Bytes of the rounded operands. */
export function roundedBytes({problem, formats}: Pick<Work, 'problem' | 'formats'>): Partial<Record<BindingRole, number>> {
  const bytes = operandBytes(problem, TENSORS);
  return Object.fromEntries(convertedOperands(formats).map((operand) => [ROLES[operand], bytes[operand]]));
}

/** A layer for each tensor, an invocation for an element of its buffer: four floats, or one where rows fill no vec4. */
export function roundGrid({problem}: Work, formats: Formats): Launch['grid'] {
  const bytes = operandBytes(problem, TENSORS);
  const operands = convertedOperands(formats);
  const elements = operands.map((operand) => bytes[operand] / (elementOf(problem, operand) === 'vec4f' ? 16 : 4));
  return gridOf(Math.max(...elements), INVOCATIONS, operands.length);
}

const elementOf = ({headDim, valueDim}: Work['problem'], operand: OperandName): string =>
  rowAccess(operand, operand === 'value' ? valueDim : headDim).element;

/**
 * Rounds query, key and value to halves as the conversion does, and leaves them floats: a backward pass must read the numbers whose scores
 * the forward pass summed, and its kernels are those of float32. Beside a score of 300 the rounding is .03, and so many percent of a row's probabilities.
 */
export function roundProgram({problem, device}: Work, formats: Formats): Program {
  const operands = convertedOperands(formats);
  const round = (from: OperandName, layer: number): string => {
    const to = ROLES[from];
    const rounded =
      elementOf(problem, from) === 'vec4f' ? `rounded(${from}[index])` : `rounded(vec4f(${from}[index], 0.0, 0.0, 0.0)).x`;
    return `case ${layer}u: { if (index < arrayLength(&${to})) { ${to}[index] = ${rounded}; } }`;
  };
  return program({
    name: 'SparseAttention.round',
    bindings: ['params', ...operands.flatMap((operand) => [operand, ROLES[operand]])],
    writes: operands.map((operand) => ROLES[operand]),
    directives: device.float16 ? ['enable f16'] : [],
    elements: Object.fromEntries(
      operands.flatMap((operand) => [operand, ROLES[operand]].map((role) => [role, elementOf(problem, operand)])),
    ),
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `// ${list(operands)} as the halves that a forward pass read, unpacked. An invocation rounds one element of a buffer.`,
      PARAMS,
      halves(device.float16),
      packedHalves(device.float16),
      `
fn rounded(four: vec4f) -> vec4f { return lower(vec4u(packed(four), 0u, 0u)); }

@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(INVOCATIONS)};
switch group.z {
${lines(...operands.map(round))}
default: {}
}
}
`,
    ),
  });
}
