import * as tf from '@tensorflow/tfjs-core';
import {compile, CORE_DEVICE, parsePattern, type BindingRole, type Compiled, type Launch, type Program} from '../../src/pure.js';
import {problemFor} from './plans.js';

/**
 * Plans that compile in milliseconds where real ones take seconds on a software adapter: enough to test how plans are run. The tensors
 * are [1, 1, length, 1].
 */

let made = 0;

export interface FakeProgram {
  readonly reads?: readonly BindingRole[];
  readonly writes?: readonly BindingRole[];
  /** WGSL of one element `i`, given `params.scale`; a binding is an `array<f32>` of its role's name. */
  readonly body?: string;
  readonly name?: string;
}

/** A program no other test has compiled. */
export function fakeProgram({
  reads = ['query'],
  writes = ['output'],
  body = 'output[i] = query[i] * params.scale;',
  name = 'Fake.copy',
}: FakeProgram = {}): Program {
  const bindings: BindingRole[] = ['params', ...reads, ...writes];
  const declare = (role: BindingRole, at: number): string =>
    role === 'params'
      ? `struct Params {count: u32, scale: f32}\n@group(0) @binding(0) var<uniform> params: Params;`
      : `@group(0) @binding(${at}) var<storage, ${writes.includes(role) ? 'read_write' : 'read'}> ${role}: array<f32>;`;
  const code = `// ${made++}
${bindings.map(declare).join('\n')}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i < params.count) { ${body} }
}`;
  return {name, key: `${name}-${made}`, code, bindings, writes, workgroupBytes: 0, invocations: 64};
}

/** A plan of `length` queries that launches these programs one after another. */
export function fakePlan(
  length: number,
  programs: readonly Program[] = [fakeProgram()],
  changes: Partial<Compiled> = {},
): Compiled {
  const problem = problemFor({queryLength: length, keyLength: length, queryOffset: 0}, {headDim: 1});
  const launches = programs.map((program): Launch => ({
    program,
    grid: [Math.ceil(length / 64), 1, 1],
    params: ({scale}) => {
      const bytes = new DataView(new ArrayBuffer(16));
      bytes.setUint32(0, length, true);
      bytes.setFloat32(4, scale, true);
      return bytes.buffer;
    },
  }));
  return {
    ...compile(parsePattern('full()'), problem, CORE_DEVICE),
    launches,
    workBytes: {scratch: Math.max(16, 4 * length)},
    ...changes,
  };
}

/** Runs a plan as the op would. */
export function runFake(compiled: Compiled, query: tf.Tensor, scale = 1): tf.Tensor {
  const inputs = [query, query, query] as unknown as tf.NamedTensorMap;
  const attrs = {compiled, scale, roles: ['query', 'key', 'value']} as unknown as tf.NamedAttrMap;
  return (tf.engine().runKernel('SparseAttention', inputs, attrs) as tf.Tensor[])[0]!;
}
