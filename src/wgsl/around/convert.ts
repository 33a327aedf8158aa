import type {Work} from '../../plan/index.js';
import {program} from '../text/make_program.js';
import {PARAMS} from '../text/params.js';
import type {BindingRole, Launch, Program} from '../text/program.js';
import {convertedBytes, halvesAccess, paddedDim, rowAccess, type RowAccess} from '../text/row_access.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 256;
/** Workgroups of one row of the dispatch grid: 65,535 is the limit of a dimension. */
const GRID_WIDTH = 32768;

/** The grid of the conversion: a layer for each tensor, an invocation for a column. */
export function convertGrid(plan: Work): Launch['grid'] {
  const groups = Math.ceil(Math.max(...Object.values(convertedBytes(plan))) / 16 / INVOCATIONS);
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 3];
}

/** Converts query, key and value to packed halves, the rows padded with zeros. */
export function convertProgram({problem: {headDim, valueDim}, device}: Work): Program {
  const tensors = [
    {from: rowAccess('query', headDim), to: halvesAccess('queryHalves', headDim)},
    {from: rowAccess('key', headDim), to: halvesAccess('keyHalves', headDim)},
    {from: rowAccess('value', valueDim), to: halvesAccess('valueHalves', valueDim)},
  ];
  const names: BindingRole[] = ['query', 'key', 'value'];
  const convert = ({from, to}: (typeof tensors)[number], layer: number): string =>
    lines(
      `case ${layer}u: {`,
      `if (index >= arrayLength(&${names[layer]}Halves)) { return; }`,
      `let row = index / ${to.columns}u;`,
      `let column = index % ${to.columns}u;`,
      `let base = ${from.base('row')};`,
      to.store('index', '0u', eightHalves(from, to)),
      '}',
    );
  return program({
    name: 'SparseAttention.convert',
    bindings: ['params', ...names, 'queryHalves', 'keyHalves', 'valueHalves'],
    writes: ['queryHalves', 'keyHalves', 'valueHalves'],
    directives: device.float16 ? ['enable f16'] : [],
    elements: {
      query: tensors[0]!.from.element,
      key: tensors[1]!.from.element,
      value: tensors[2]!.from.element,
      queryHalves: 'vec4u',
      keyHalves: 'vec4u',
      valueHalves: 'vec4u',
    },
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// query, key and value as halves, rows padded to ${paddedDim(headDim)}, ${paddedDim(headDim)} and ${paddedDim(valueDim)}. An invocation converts eight.
`,
      PARAMS,
      ...tensors.map(({from}) => from.functions),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = (group.y * ${GRID_WIDTH}u + group.x) * ${INVOCATIONS}u + lane;
switch group.z {
${lines(...tensors.map(convert))}
default: {}
}
}
`,
      packedHalves(device.float16),
    ),
  });
}

/** Column `column` of a row of halves, from the row of floats at `base`; past its end zeros. */
export function eightHalves(from: RowAccess, to: RowAccess): string {
  const half = (e: number): string => {
    const load = from.load('base', `(2u * column + ${e}u)`);
    const inside = 2 * to.columns <= from.columns;
    return `packed(${inside ? load : `select(vec4f(), ${from.load('base', `min(2u * column + ${e}u, ${from.columns - 1}u)`)}, 2u * column + ${e}u < ${from.columns}u)`})`;
  };
  return `vec4u(${half(0)}, ${half(1)})`;
}

export const packedHalves = (native: boolean): string => /* wgsl */ `
// Finite floats past the largest half become it: what a conversion makes of them is left open by WGSL. Infinity and NaN stay as they are.
fn packed(four: vec4f) -> vec2u {
  let large = (abs(four) > vec4f(65504.0)) & (abs(four) <= vec4f(3.4028234e38));
  let safe = select(four, sign(four) * 65504.0, large);
  ${native ? 'return bitcast<vec2u>(vec4<f16>(safe));' : 'return vec2u(pack2x16float(safe.xy), pack2x16float(safe.zw));'}
}
`;
