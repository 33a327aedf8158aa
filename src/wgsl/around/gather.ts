import type {Features} from '../text/features.js';
import {gatheredTensors, paramsOf, type Tail} from '../terms/fields.js';
import {program} from '../text/make_program.js';
import type {BindingRole, Launch, Program} from '../text/program.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 64;

export const gathers = (features: Features): boolean => gatheredTensors(features).length > 0;

export const gatherGrid = ({gathered}: Tail): Launch['grid'] => [
  Math.ceil(Math.max(...gathered.map(({words}) => words)) / INVOCATIONS),
  1,
  1,
];

/** Copies the small tensors of a call behind the schedule: a stock device binds eight buffers, and attention needs those for the large ones. */
export function gatherProgram(features: Features): Program {
  const roles: BindingRole[] = gatheredTensors(features).map(({role}) => role);
  return program({
    name: 'SparseAttention.gather',
    bindings: ['params', ...roles, 'schedule'],
    writes: ['schedule'],
    elements: {...Object.fromEntries(roles.map((role) => [role, 'i32'])), schedule: 'vec2i'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      '// Words of small tensors into the schedule, a pair each.',
      paramsOf(features),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = group.x * ${INVOCATIONS}u + lane;
`,
      ...roles.map((role) => `if (index < arrayLength(&${role})) { schedule[params.${role} + index] = vec2i(${role}[index], 0); }`),
      '}',
    ),
  });
}
