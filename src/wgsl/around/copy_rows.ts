import {tensorsOf, type AppendShape, type AppendSizes, type AppendTensor} from './append.js';
import {NOTHING, widest} from './append.js';
import {gridIndex, gridOf} from '../text/grid.js';
import {HELD} from '../text/held.js';
import {program} from '../text/make_program.js';
import {packParams, PARAMS} from '../text/params.js';
import type {CallParams, Launch, Program} from '../text/program.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 64;

/** One dispatch: the tokens of sequences that go on several times, from the row of one into those of the others. */
export function copyLaunch(program: Program, shape: AppendShape, sizes: AppendSizes, copied: number): Launch {
  const {batch, heads, keyHeads, capacity, tokens, held} = sizes;
  const fixed = {
    ...NOTHING,
    batch,
    heads,
    keyHeads,
    queryLength: tokens,
    keyLength: capacity,
    held,
  };
  return Object.freeze({
    program,
    grid: Object.freeze(gridOf(batch * keyHeads * copied * widest(shape), INVOCATIONS, 2)),
    params: (call: CallParams) => packParams(fixed, call),
  });
}

export function copyProgram(shape: AppendShape): Program {
  const [, key, value] = tensorsOf(shape) as [AppendTensor, AppendTensor, AppendTensor];
  const copy = ({to}: AppendTensor, layer: number): string =>
    lines(
      `case ${layer}u: {`,
      `let place = placeOf(index / ${to.columns}u);`,
      'if (place.x < 0) { return; }',
      `let column = index % ${to.columns}u;`,
      `let base = ${to.base('u32(place.x)')};`,
      to.store(to.base('u32(place.y)'), 'column', to.load('base', 'column')),
      '}',
    );
  return program({
    name: 'SparseAttention.copy',
    bindings: ['params', 'schedule', key.role, value.role],
    writes: [key.role, value.role],
    elements: {schedule: 'vec2i', [key.role]: key.to.element, [value.role]: value.to.element},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      '// Keys and values [rows, keyHeads, keyLength, …] of a cache from one row to another. An invocation copies one column.',
      PARAMS,
      HELD,
      key.to.functions + value.to.functions,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(INVOCATIONS)};
switch group.z {
`,
      copy(key, 0),
      copy(value, 1),
      `
default: {}
}
}

// The rows (from, to) of slot number \`at\` among those of all heads that are copied, or (-1, -1).
fn placeOf(at: u32) -> vec2i {
  let most = max(u32(mostHeld().y), 1u);
  let line = at / most;
  let slot = i32(at % most);
  let batch = line / params.keyHeads;
  if (batch >= params.batch) { return vec2i(-1); }
  let source = otherOf(batch).y;
  if (source < 0 || slot >= heldBy(batch).y) { return vec2i(-1); }
  let head = i32(line % params.keyHeads);
  let heads = i32(params.keyHeads);
  let capacity = i32(params.keyLength);
  return (vec2i(source, rowOf(batch).x) * heads + head) * capacity + slot;
}
`,
    ),
  });
}
