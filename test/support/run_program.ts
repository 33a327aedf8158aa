import type {BindingRole, CallParams, Launch} from '../../src/wgsl/index.js';

/** What buffers begin with: their numbers, or how many bytes of zeros. */
export type Contents = Partial<Record<BindingRole, Float32Array | Int32Array | number>>;

const known = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/** A software adapter compiles a pipeline in seconds. */
function pipelinesOf(device: GPUDevice): Map<string, GPUComputePipeline> {
  let pipelines = known.get(device);
  if (pipelines === undefined) known.set(device, (pipelines = new Map<string, GPUComputePipeline>()));
  return pipelines;
}

/** Runs launches on buffers of their own and reads some of them back. */
export async function runProgram<const Roles extends readonly BindingRole[]>(
  device: GPUDevice,
  launches: readonly Launch[],
  contents: Contents,
  wanted: Roles,
  call: CallParams = {scale: 1},
): Promise<Record<Roles[number], Float32Array>> {
  const made: GPUBuffer[] = [];
  // As long as what it holds: a program that asks for the length of an array would meet padding, and copy it past what it writes to.
  const buffer = (size: number, usage: number, data?: BufferSource): GPUBuffer => {
    const one = device.createBuffer({size: data === undefined ? 16 * Math.ceil(Math.max(size, 16) / 16) : size, usage});
    made.push(one);
    if (data !== undefined) device.queue.writeBuffer(one, 0, data);
    return one;
  };
  const {STORAGE, COPY_DST, COPY_SRC, UNIFORM, MAP_READ} = GPUBufferUsage;
  const usage = STORAGE | COPY_DST | COPY_SRC;
  const buffers = new Map<string, GPUBuffer>();
  for (const [role, data] of Object.entries(contents))
    buffers.set(role, typeof data === 'number' ? buffer(data, usage) : buffer(data.byteLength, usage, data as BufferSource));
  const pipelines = pipelinesOf(device);
  const encoder = device.createCommandEncoder();
  for (const {program, grid, params} of launches) {
    let pipeline = pipelines.get(program.key);
    if (pipeline === undefined) {
      const module = device.createShaderModule({code: program.code});
      // Not 'auto', which leaves out what a program binds and does not read.
      const entries = program.bindings.map((role, binding): GPUBindGroupLayoutEntry => {
        const type = role === 'params' ? 'uniform' : program.writes.includes(role) ? 'storage' : 'read-only-storage';
        return {binding, visibility: GPUShaderStage.COMPUTE, buffer: {type}};
      });
      const layout = device.createPipelineLayout({bindGroupLayouts: [device.createBindGroupLayout({entries})]});
      pipeline = await device.createComputePipelineAsync({layout, compute: {module, entryPoint: 'main'}});
      pipelines.set(program.key, pipeline);
    }
    const uniform = params(call);
    const entries = program.bindings.map((role, binding) => ({
      binding,
      resource: {buffer: role === 'params' ? buffer(uniform.byteLength, UNIFORM | COPY_DST, uniform) : buffers.get(role)!},
    }));
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({layout: pipeline.getBindGroupLayout(0), entries}));
    pass.dispatchWorkgroups(...grid);
    pass.end();
  }
  const copies = wanted.map((role) => {
    const from = buffers.get(role)!;
    const to = buffer(from.size, MAP_READ | COPY_DST);
    encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
    return to;
  });
  device.queue.submit([encoder.finish()]);
  const read: Partial<Record<BindingRole, Float32Array>> = {};
  for (const [index, to] of copies.entries()) {
    await to.mapAsync(GPUMapMode.READ);
    read[wanted[index]!] = new Float32Array(to.getMappedRange().slice(0));
  }
  made.forEach((one) => one.destroy());
  return read as Record<Roles[number], Float32Array>;
}
