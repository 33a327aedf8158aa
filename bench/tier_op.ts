import type {BindingRole, Compiled, Program} from '../src/pure.js';
import type {Pipelines} from '../src/runtime/host/pipelines.js';

/** Which of a call's dispatches to run. */
export type Part = 'all' | 'convert' | 'kernels' | 'without repair';

interface RawDispatch {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

/**
 * The launches of a plan as raw dispatches on buffers of one's own, so that any part of a call can be timed by itself. Each dispatch
 * waits for the one before, because both write the same buffers: calls cannot overlap and flatter us.
 */
export class TierOp {
  private readonly own: GPUBuffer[] = [];
  private readonly dispatches: readonly RawDispatch[];

  /** Compiles what `pipelines` lack, as the runtime does: one after the other. `rewrite` may change the programs before. */
  constructor(
    private readonly device: GPUDevice,
    compiled: Compiled,
    pipelines: Pipelines,
    tensors: Partial<Record<BindingRole, GPUBuffer>>,
    rewrite: (program: Program) => Program = (program) => program,
  ) {
    const {plan, launches, workBytes} = compiled;
    const buffers: Partial<Record<BindingRole, GPUBuffer>> = {
      scratch: this.buffer(workBytes.scratch!, GPUBufferUsage.STORAGE),
      rowSums: this.buffer(workBytes.rowSums!, GPUBufferUsage.STORAGE),
      schedule: this.upload(plan.schedule, GPUBufferUsage.STORAGE),
      ...tensors,
    };
    const scale = plan.problem.headDim ** -0.5;
    this.dispatches = launches.map((launch) => {
      const program = rewrite(launch.program);
      const {pipeline, layout} = pipelines.get(program);
      const params = this.upload(new Uint8Array(launch.params({scale})), GPUBufferUsage.UNIFORM);
      const entries = program.bindings.map((role, binding) => ({
        binding,
        resource: {buffer: role === 'params' ? params : buffers[role]!},
      }));
      return {name: program.name, pipeline, bindings: device.createBindGroup({layout, entries}), grid: launch.grid};
    });
  }

  enqueue(count: number, part: Part): void {
    const chosen = this.dispatches.filter(({name}) => belongs(name, part));
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < count; i++) {
      for (const {pipeline, bindings, grid} of chosen) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(...grid);
      }
    }
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  release(): void {
    for (const buffer of this.own) buffer.destroy();
  }

  private buffer(bytes: number, usage: number): GPUBuffer {
    const buffer = this.device.createBuffer({size: Math.max(16, bytes), usage: usage | GPUBufferUsage.COPY_DST});
    this.own.push(buffer);
    return buffer;
  }

  private upload(data: Int32Array | Uint32Array | Uint8Array, usage: number): GPUBuffer {
    const buffer = this.buffer(data.byteLength, usage);
    this.device.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
    return buffer;
  }
}

function belongs(name: string, part: Part): boolean {
  const convert = name.endsWith('.convert');
  if (part === 'all') return true;
  if (part === 'convert') return convert;
  return !convert && (part === 'kernels' || !name.endsWith('.repair'));
}

/**
 * The program as one that no cache between here and the GPU has met. A comment would be new to Dawn alone: the driver caches by SPIR-V,
 * where comments are gone. So it also compares a size with a number of its own, which no call has, and ends if they are equal.
 */
export function neverSeen(program: Program): Program {
  const nonce = 2 ** 30 + Math.floor(Math.random() * 2 ** 30);
  const code = program.code.replace(
    /fn main\([^{]*\{/,
    (head) => `${head}\nif (params.queryLength == ${nonce}u) { return; } // ${nonce}`,
  );
  if (code === program.code) throw new Error(`${program.name} has no fn main that could be made new`);
  return {...program, key: `${program.key} ${nonce}`, code};
}
