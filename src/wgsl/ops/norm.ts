import {program} from '../text/make_program.js';
import type {BindingRole, Program} from '../text/program.js';
import {lines} from '../text/text.js';
import {plain, textOf, type Flow} from '../tile/flow.js';
import {OP_PARAMS, elementsOf} from './op_params.js';
import {RowRegisters, rowGroupBytes, rowGroupMemory, rowGroupOf} from './row_group.js';

/** What the text of a norm depends on, but for the length of rows. */
export interface NormShape {
  /** The mean is taken away, as layer norms do. */
  readonly centred: boolean;
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly residual: boolean;
  /** The rows with their residual are an output, too. */
  readonly sum: boolean;
}

/** Elements of a row of `width` numbers: fours where they fill them. */
export const normColumns = (width: number): number => (width % 4 === 0 ? width / 4 : width);

export const registersOf = (width: number): RowRegisters =>
  new RowRegisters(rowGroupOf(normColumns(width)), elementsOf(width % 4 === 0));

/** Rows into registers, with their residual; what lies past a row is 0. */
export const loadRows = (registers: RowRegisters, residual: boolean): string =>
  registers.each((r, column, isInside) =>
    lines(
      `var x${r} = ${registers.elements.type}();`,
      `if (${isInside}) { x${r} = x[first + ${column}]${residual ? ` + residual[first + ${column}]` : ''}; }`,
    ),
  );

/**
 * Steps after which `scale` is 1 / √(variance + epsilon) and, where the norm centres, registers are deviations from a mean that is off by
 * what `shift` says: of rows far from zero the mean is known to their own digits alone, that of the deviations to those of the result.
 */
export function normSteps(registers: RowRegisters, centred: boolean): Flow[] {
  const {total, dot, type} = registers.elements;
  const last = registers.group.registers - 1;
  const squares = registers.sum((r) => dot(`x${r}`, `x${r}`));
  if (!centred) {
    return [
      ...registers.reduce('squares', `vec2f(0.0, ${squares})`),
      plain('let scale = inverseSqrt(squares.y / params.width + params.epsilon);'),
    ];
  }
  return [
    ...registers.reduce('sums', `vec2f(${registers.sum((r) => total(`x${r}`))}, 0.0)`),
    plain(
      lines(
        'let mean = sums.x / params.width;',
        registers.each((r) => (r === last ? `x${r} = select(${type}(), x${r} - mean, isLast);` : `x${r} -= mean;`)),
      ),
    ),
    ...registers.reduce('deviations', `vec2f(${registers.sum((r) => total(`x${r}`))}, ${squares})`),
    plain(
      lines(
        'let shift = deviations.x / params.width;',
        'let scale = inverseSqrt(max(deviations.y / params.width - shift * shift, 0.0) + params.epsilon);',
      ),
    ),
  ];
}

/** A register of a row after `normSteps`, normalised. */
export const normalised = (r: number, centred: boolean): string => (centred ? `(x${r} - shift) * scale` : `x${r} * scale`);

/** Layer norm and RMS norm of rows, one pass over memory. */
export function normProgram(shape: NormShape, width: number): Program {
  const {centred, gamma, beta, residual, sum} = shape;
  const registers = registersOf(width);
  const {group, elements} = registers;
  const read: BindingRole[] = [
    'x',
    ...(residual ? (['residual'] as const) : []),
    ...(gamma ? (['gamma'] as const) : []),
    ...(beta ? (['beta'] as const) : []),
  ];
  const written: BindingRole[] = ['output', ...(sum ? (['sum'] as const) : [])];
  return program({
    name: centred ? 'SplatLayerNorm' : 'SplatRmsNorm',
    bindings: ['params', ...read, ...written],
    writes: written,
    elements: Object.fromEntries([...read, ...written].map((role) => [role, elements.type])),
    workgroupBytes: rowGroupBytes(group),
    invocations: group.invocations,
    code: lines(
      `// ${centred ? 'Layer norm' : 'RMS norm'} of rows. ${group.lanes} lanes own a row, ${group.rows} rows a workgroup; a lane keeps ${group.registers} elements.`,
      OP_PARAMS,
      rowGroupMemory(group),
      `
@compute @workgroup_size(${group.invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      registers.place,
      loadRows(registers, residual),
      sum ? registers.each((r, column, isInside) => `if (${isInside}) { sum[first + ${column}] = x${r}; }`) : '',
      textOf(normSteps(registers, centred)),
      registers.each((r, column, isInside) => {
        const scaled = `${normalised(r, centred)}${gamma ? ` * gamma[${column}]` : ''}${beta ? ` + beta[${column}]` : ''}`;
        return `if (${isInside}) { output[first + ${column}] = ${scaled}; }`;
      }),
      '}',
    ),
  });
}
