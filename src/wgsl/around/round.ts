import {formatsOf, operandBytes, type Work} from '../../plan/index.js';
import {packedHalves} from './convert.js';
import {program} from '../text/make_program.js';
import {halves} from '../text/numbers.js';
import {PARAMS} from '../text/params.js';
import type {BindingRole, Launch, Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 256;
/** Workgroups of one row of the dispatch grid: 65,535 is the limit of a dimension. */
const GRID_WIDTH = 32768;

/** Query, key and value as floats that are halves, by the tensor in whose place a backward pass reads them. */
export const ROUNDED = {query: 'queryRounded', key: 'keyRounded', value: 'valueRounded'} as const satisfies Partial<
  Record<BindingRole, BindingRole>
>;

/** Bytes of the rounded query, key and value. */
export function roundedBytes({problem}: Work): Record<(typeof ROUNDED)[keyof typeof ROUNDED], number> {
  const {query, key, value} = operandBytes(problem, formatsOf('float32'));
  return {queryRounded: query, keyRounded: key, valueRounded: value};
}

/** A layer for each tensor, an invocation for an element of its buffer: four floats, or one where rows fill no vec4. */
export function roundGrid(plan: Work): Launch['grid'] {
  const {queryRounded, keyRounded, valueRounded} = roundedBytes(plan);
  const {headDim, valueDim} = plan.problem;
  const elements = (bytes: number, features: number): number => bytes / (rowAccess('query', features).element === 'vec4f' ? 16 : 4);
  const most = Math.max(elements(Math.max(queryRounded, keyRounded), headDim), elements(valueRounded, valueDim));
  const groups = Math.ceil(most / INVOCATIONS);
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 3];
}

/**
 * Rounds query, key and value to halves as the conversion does, and leaves them floats: a backward pass must read the numbers whose scores
 * the forward pass summed, and its kernels are those of float32. Beside a score of 300 the rounding is .03, and so many percent of a row's probabilities.
 */
export function roundProgram({problem: {headDim, valueDim}, device}: Work): Program {
  const roles = Object.entries(ROUNDED) as [keyof typeof ROUNDED, BindingRole][];
  const elementOf = (role: keyof typeof ROUNDED): string => rowAccess(role, role === 'value' ? valueDim : headDim).element;
  const round = ([from, to]: (typeof roles)[number], layer: number): string => {
    const rounded = elementOf(from) === 'vec4f' ? `rounded(${from}[index])` : `rounded(vec4f(${from}[index], 0.0, 0.0, 0.0)).x`;
    return `case ${layer}u: { if (index < arrayLength(&${to})) { ${to}[index] = ${rounded}; } }`;
  };
  return program({
    name: 'SparseAttention.round',
    bindings: ['params', ...roles.flat()],
    writes: Object.values(ROUNDED),
    directives: device.float16 ? ['enable f16'] : [],
    elements: Object.fromEntries(roles.flatMap(([from, to]) => [from, to].map((role) => [role, elementOf(from)]))),
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      '// query, key and value as the halves that a forward pass read, unpacked. An invocation rounds one element of a buffer.',
      PARAMS,
      halves(device.float16),
      packedHalves(device.float16),
      `
fn rounded(four: vec4f) -> vec4f { return lower(vec4u(packed(four), 0u, 0u)); }

@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = (group.y * ${GRID_WIDTH}u + group.x) * ${INVOCATIONS}u + lane;
switch group.z {
${lines(...roles.map(round))}
default: {}
}
}
`,
    ),
  });
}
