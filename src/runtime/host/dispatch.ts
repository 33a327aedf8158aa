import type {Uniform} from './memory.js';

/** One dispatch, ready to encode. */
export interface Dispatch {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly grid: readonly [number, number, number];
  readonly bindGroup: GPUBindGroup;
  /** What `bindGroup` binds, in its order. */
  readonly bindings: readonly GPUBufferBinding[];
  /** Which of them the program writes. */
  readonly writes: readonly number[];
  /** What `bindGroup` reads that is remembered by contents. */
  readonly uniform?: Uniform | undefined;
}

export function record(pass: GPUComputePassEncoder, {pipeline, bindGroup, grid: [x, y, z]}: Dispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(x, y, z);
}
