import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {Dispatch} from './dispatch.js';
import type {Memory} from './memory.js';
import type {UniformField, WebGPUBackend} from './tfjs_webgpu.js';

type Arguments = Parameters<WebGPUBackend['recordAndSubmit']>;

/** The output is bound first. */
const OUTPUT: readonly number[] = [0];

/**
 * Has the backend record its own programs with uniforms and bind groups that are remembered. What is not remembered yet is made by the
 * backend's own code, which runs dry for it: how uniforms lie in memory and what is bound where is nowhere said twice. `unseen` hears of
 * programs that go by without.
 */
export function rememberPrograms(
  backend: WebGPUBackend,
  memory: () => Memory,
  encode: (dispatch: Dispatch, touched: readonly TensorInfo[]) => void,
  unseen: () => void,
): void {
  const {recordAndSubmit} = backend;
  backend.recordAndSubmit = (...given) => {
    const [program, output, inputs, uniforms] = given;
    const {pipeline} = program;
    // Pictures, timers and what does not compile yet go the way that they always went.
    if (program.pixelsOpType != null || backend.activeTimers != null || pipeline === undefined || 'then' in pipeline) {
      unseen();
      return recordAndSubmit.call(backend, ...given);
    }
    const remembered = memory();
    let dry: DryRun | undefined;
    const dryRun = (): DryRun => (dry ??= runDry(recordAndSubmit, given));
    const uniform = remembered.uniform(uniformKey(program, output, inputs, uniforms), () => bytesOf(backend, dryRun().fields));
    const bindings = [output, ...inputs].map((tensor) => {
      const {resource, external} = backend.tensorMap.get(tensor.dataId);
      const buffer = resource as GPUBuffer;
      if (external) remembered.lend(buffer);
      return {buffer};
    });
    bindings.push({buffer: uniform.buffer});
    const bindGroup = remembered.bindGroup(pipeline, bindings, () =>
      backend.device.createBindGroup({
        layout: dryRun().layout!,
        entries: bindings.map((resource, binding) => ({binding, resource})),
      }),
    );
    const [x, y = 1, z = 1] = program.dispatch;
    const {name} = program.constructor;
    encode({name, pipeline, grid: [x!, y, z], bindGroup, bindings, writes: OUTPUT, uniform}, [output, ...inputs]);
  };
}

/** All that the contents of a uniform derive from; see `recordAndSubmit` of the backend. */
function uniformKey(...[program, output, inputs, uniforms]: Arguments): string {
  let key = '';
  for (const {shape} of inputs) key += `${shape.join()}|`;
  key += output.shape.join();
  if (program.size) key += `#${tf.util.sizeFromShape(program.outputShape)}/${program.outputComponent}`;
  for (const {type, data} of uniforms ?? []) {
    key += `;${type}`;
    // Of −0, which is another number on the device, texts do not tell.
    for (const number of data) key += Object.is(number, -0) ? ',-0' : `,${number}`;
  }
  return key;
}

interface DryRun {
  readonly layout: GPUBindGroupLayout | null;
  readonly fields: readonly UniformField[];
}

const nothing = (): void => undefined;

/** What the backend would bind, were it to record the program itself. */
function runDry(record: WebGPUBackend['recordAndSubmit'], given: Arguments): DryRun {
  let dry: DryRun = {layout: null, fields: []};
  record.call(
    {
      tensorToBinding: nothing,
      makeUniforms(fields: readonly UniformField[]) {
        dry = {...dry, fields};
      },
      device: {
        createBindGroup({layout}: GPUBindGroupDescriptor) {
          dry = {...dry, layout};
        },
      },
      commandQueueOwnedIds: {add: nothing},
      computePassEncoder: {setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing},
      ensureCommandEncoderReady: nothing,
      endComputePassEncoder: nothing,
      submitQueue: nothing,
      dispatchCountInPass: 0,
      activeTimers: null,
    },
    ...given,
  );
  return dry;
}

/** The fields as the backend lays them out in memory. */
function bytesOf({makeUniforms}: Pick<WebGPUBackend, 'makeUniforms'>, fields: readonly UniformField[]): ArrayBuffer {
  let bytes = new ArrayBuffer(0);
  const queue = {
    writeBuffer(_buffer: unknown, _offset: number, contents: ArrayBuffer) {
      bytes = contents;
    },
  };
  makeUniforms.call({bufferManager: {acquireBuffer: nothing}, queue, uniformPendingDisposal: []}, fields);
  return bytes;
}

/**
 * Whether the backend records as 4.22 does, seen by a program of three numbers that runs dry. One whose methods somebody has replaced is
 * left as it is.
 */
export function canRemember(backend: WebGPUBackend): boolean {
  const methods = ['recordAndSubmit', 'makeUniforms'] as const;
  if (methods.some((name) => typeof backend[name] !== 'function' || Object.hasOwn(backend, name))) return false;
  const layout = {label: 'asked for'} as GPUBindGroupLayout;
  const pipeline = {getBindGroupLayout: () => layout} as Partial<GPUComputePipeline> as GPUComputePipeline;
  const tensor = {dataId: {}, shape: [3], dtype: 'float32'} as const;
  const program = {outputShape: [3], size: true, dispatch: [1, 1, 1], pipeline};
  try {
    const given: Arguments = [program, {...tensor, shape: [3]}, [{...tensor, shape: [1, 1, 3]}], [{type: 'float32', data: [0.5]}]];
    const dry = runDry(backend.recordAndSubmit, given);
    const floats = new Float32Array(bytesOf(backend, dry.fields));
    const words = [...new Int32Array(floats.buffer)].slice(2, 13).join();
    // NaN, infinity, the shapes with their strides, the size, and what the program adds, each where WGSL has it.
    return dry.layout === layout && floats[1] === Infinity && words === '0,0,1,1,3,0,3,3,3,1,3' && floats[13] === 0.5;
  } catch {
    return false;
  }
}
