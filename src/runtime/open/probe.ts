import {withComplaints} from '../host/refused_program.js';
import {waitFor} from '../host/wait.js';

const LABEL = 'tfjs-splat.probe';

/**
 * Runs one workgroup of a shader on a device that nobody else uses yet, and gives the `words` numbers of 32 bits that it writes to its
 * binding 0. Rejects with what the device and its compiler say.
 */
export async function probe(device: GPUDevice, code: string, words: number): Promise<Uint32Array> {
  const size = 4 * words;
  const buffers: GPUBuffer[] = [];
  const buffer = (usage: number): GPUBuffer => {
    const made = device.createBuffer({label: LABEL, size, usage});
    buffers.push(made);
    return made;
  };
  device.pushErrorScope('validation');
  let popped = false;
  try {
    const module = device.createShaderModule({label: LABEL, code});
    const pipeline = await device.createComputePipelineAsync({layout: 'auto', compute: {module, entryPoint: 'main'}});
    const seen = buffer(GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    const read = buffer(GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device.createBindGroup({layout: pipeline.getBindGroupLayout(0), entries: [{binding: 0, resource: {buffer: seen}}]}),
    );
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(seen, 0, read, 0, size);
    device.queue.submit([encoder.finish()]);
    popped = true;
    const error = await device.popErrorScope();
    if (error !== null) throw new Error(error.message);
    await waitFor(device.queue, read.mapAsync(GPUMapMode.READ));
    return new Uint32Array(read.getMappedRange().slice(0));
  } catch (error) {
    if (!popped) await device.popErrorScope().catch(() => null);
    const reason = error instanceof Error ? error.message : String(error);
    // In one line: reports quote it in a sentence.
    throw new Error((await withComplaints(device, code, reason)).replace(/\s+/g, ' '));
  } finally {
    for (const each of buffers) each.destroy();
  }
}
