import {program} from '../text/make_program.js';
import type {BindingRole, Program} from '../text/program.js';
import {each, lines, tree} from '../text/text.js';
import {plain, textOf, type Flow} from '../tile/flow.js';
import {PACKED_PARAMS, packedPlace, zerosBehind} from './packed_params.js';
import {
  groupInvocations,
  joinLanes,
  overRow,
  packedGroupBytes,
  packedGroupMemory,
  packedRow,
  type Join,
  type PackedGroup,
} from './row_sums.js';

/** What the text of a softmax of packed rows depends on. */
export interface PackedSoftmaxShape {
  readonly group: PackedGroup;
  readonly shared: boolean;
  readonly sinks: boolean;
}

/**
 * The least finite score stands for −∞, whose difference with itself is NaN. By bits, for compilers may take it that there is neither; NaN of
 * a pair that attends stays.
 */
export const PACKED_WEIGHTS = /* wgsl */ `
const LEAST = -3.4028234663852886e38;

fn finite(score: f32) -> f32 {
  let bits = bitcast<u32>(score);
  return select(score, LEAST, bits >= 0xff7fffffu && bits <= 0xff800000u);
}

fn weight(score: f32, most: f32) -> f32 {
  return select(exp(min(score - most, 0.0)), 0.0, bitcast<u32>(score) == 0xff7fffffu);
}
`;

const registers = ({registers: count}: PackedGroup): number[] => Array.from({length: count}, (_, r) => r);
const columnAt = ({lanes}: PackedGroup, r: number): string => (r === 0 ? 'own' : `own + ${lanes * r}u`);
const sumOf = (terms: readonly string[]): string => tree(terms, (a, b) => `(${a} + ${b})`);
const mostOf = (terms: readonly string[]): string => tree(terms, (a, b) => `max(${a}, ${b})`);
const FOUR = [0, 1, 2, 3];

/** (maximum, sum of exp(score − maximum)) of several. */
export const joinSoftmax: Join = (name, read, count) => {
  const all = Array.from({length: count}, (_, i) => i);
  return lines(
    ...all.map((i) => `let ${name}${i} = ${read(i)};`),
    `let ${name}Most = ${mostOf(all.map((i) => `${name}${i}.x`))};`,
    `let ${name} = vec2f(${name}Most, ${sumOf(all.map((i) => `${name}${i}.y * exp(${name}${i}.x - ${name}Most)`))});`,
  );
};

const joinSums: Join = (name, read, count) => `let ${name} = ${sumOf(Array.from({length: count}, (_, i) => read(i)))};`;

/** `top` and `divisor` of a row whose lanes are joined. */
export const divisorOf = (sinks: boolean): string =>
  lines(
    sinks
      ? lines(
          'let logit = sinks[line % params.heads];',
          'let top = max(joined.x, logit);',
          'let summed = joined.y * exp(joined.x - top) + exp(min(logit - top, 0.0));',
        )
      : 'let top = joined.x;\nlet summed = joined.y;',
    'let divisor = select(summed, 1.0, summed == 0.0);',
  );

/** exp(score − max) / Σ of each row of packed scores. */
export function packedSoftmaxProgram({group, shared, sinks}: PackedSoftmaxShape): Program {
  const invocations = groupInvocations(group);
  const own = registers(group);
  const isKept = own.length > 0;
  const load: Flow = plain(
    isKept
      ? lines(
          ...own.map(
            (r) =>
              `var x${r} = LEAST; if (${columnAt(group, r)} < size) { x${r} = finite(values[first + ${columnAt(group, r)}]); }`,
          ),
          `let most = ${mostOf(own.map((r) => `x${r}`))};`,
          `let sum = ${sumOf(own.map((r) => `weight(x${r}, most)`))};`,
        )
      : 'var most = LEAST;\nvar sum = 0.0;',
  );
  const loop = overRow(
    group,
    lines(
      ...FOUR.map((i) => `var x${i} = LEAST; if (at${i} < size) { x${i} = finite(values[first + at${i}]); }`),
      `let next = max(most, ${mostOf(FOUR.map((i) => `x${i}`))});`,
      `sum = sum * exp(most - next) + ${sumOf(FOUR.map((i) => `weight(x${i}, next)`))};`,
      'most = next;',
    ),
  );
  const total = divisorOf(sinks);
  const write: Flow[] = isKept
    ? [
        plain(
          each(
            own.length,
            (r) => `if (${columnAt(group, r)} < size) { output[first + ${columnAt(group, r)}] = weight(x${r}, top) / divisor; }`,
          ),
        ),
      ]
    : [
        overRow(
          group,
          each(4, (i) => `if (at${i} < size) { output[first + at${i}] = weight(finite(values[first + at${i}]), top) / divisor; }`),
        ),
      ];
  const read: BindingRole[] = ['values', ...(sinks ? (['sinks'] as const) : []), 'schedule'];
  return program({
    name: 'SplatSparseSoftmax',
    bindings: ['params', ...read, 'output'],
    writes: ['output'],
    elements: {values: 'f32', sinks: 'f32', schedule: 'vec2i', output: 'f32'},
    workgroupBytes: packedGroupBytes(group),
    invocations,
    code: lines(
      `// The softmax of packed rows; ${group.lanes} invocations have one, ${isKept ? `and keep ${own.length} of its numbers each` : 'and read it twice'}.`,
      PACKED_PARAMS,
      packedGroupMemory(group),
      PACKED_WEIGHTS,
      `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      packedPlace(shared),
      packedRow(group),
      textOf([
        load,
        ...(isKept ? [] : [loop]),
        ...joinLanes(group, 'joined', 'vec2f(most, sum)', joinSoftmax),
        plain(total),
        ...write,
        plain(zerosBehind(shared, invocations, 'params.nnz')),
      ]),
      '}',
    ),
  });
}

/** Of scores: P ∘ (dP − Σ P∘dP). Of sinks, which are in the sum alone, a number for each row: −(1 − Σ P) · Σ P∘dP. */
export function softmaxGradientProgram({group, shared, sinks}: PackedSoftmaxShape): Program {
  const invocations = groupInvocations(group);
  const own = registers(group);
  const isKept = own.length > 0;
  const loadPair = (name: string, at: string): string =>
    lines(
      `var p${name} = 0.0; var t${name} = 0.0;`,
      `if (${at} < size) { p${name} = values[first + ${at}]; t${name} = select(p${name} * dOutput[first + ${at}], 0.0, p${name} == 0.0); }`,
    );
  const load = isKept
    ? lines(
        ...own.map((r) => loadPair(`${r}`, columnAt(group, r))),
        `let sums = vec2f(${sumOf(own.map((r) => `t${r}`))}, ${sumOf(own.map((r) => `p${r}`))});`,
      )
    : 'var sums = vec2f();';
  const loop = overRow(
    group,
    lines(
      ...FOUR.map((i) => loadPair(`${i}`, `at${i}`)),
      `sums += vec2f(${sumOf(FOUR.map((i) => `t${i}`))}, ${sumOf(FOUR.map((i) => `p${i}`))});`,
    ),
  );
  const store = (name: string, at: string): string =>
    `if (${at} < size) { output[first + ${at}] = t${name} - p${name} * joined.x; }`;
  const write: Flow[] = isKept
    ? [plain(each(own.length, (r) => store(`${r}`, columnAt(group, r))))]
    : [
        overRow(
          group,
          each(4, (i) => lines(loadPair(`${i}`, `at${i}`), store(`${i}`, `at${i}`))),
        ),
      ];
  const written: BindingRole[] = ['output', ...(sinks ? (['dSinks'] as const) : [])];
  return program({
    name: 'SplatSparseSoftmax.gradient',
    bindings: ['params', 'values', 'dOutput', 'schedule', ...written],
    writes: written,
    elements: {values: 'f32', dOutput: 'f32', schedule: 'vec2i', output: 'f32', dSinks: 'f32'},
    workgroupBytes: packedGroupBytes(group),
    invocations,
    code: lines(
      `// The gradient of the softmax of packed rows; ${group.lanes} invocations have one, ${isKept ? `and keep ${own.length} of its numbers each` : 'and read it twice'}.`,
      PACKED_PARAMS,
      packedGroupMemory(group),
      `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      packedPlace(shared),
      packedRow(group),
      textOf([
        plain(load),
        ...(isKept ? [] : [loop]),
        ...joinLanes(group, 'joined', 'sums', joinSums),
        ...write,
        plain(
          lines(
            sinks ? 'if (own == 0u && row < params.rows) { dSinks[line * params.rows + row] = (joined.y - 1.0) * joined.x; }' : '',
            zerosBehind(shared, invocations, 'params.nnz'),
          ),
        ),
      ]),
      '}',
    ),
  });
}
