import {Lru, type SplatError} from '../../support/index.js';
import type {BindingRole, Launch, Program} from '../../pure.js';
import {refusedProgram, withComplaints} from './refused_program.js';

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Which bindings the program writes. */
  readonly writes: readonly number[];
}

export interface LaunchPipeline extends Pipeline {
  /** What is bound, in the order of the bindings. */
  readonly roles: readonly BindingRole[];
}

/** Pipelines kept per device; the whole benchmark needs 8. */
const MAX_PIPELINES = 64;

const writesOf = ({bindings, writes}: Program): number[] =>
  [...bindings.keys()].filter((binding) => writes.includes(bindings[binding]!));

/** The compiled programs of one device, by `Program.key`, which derives from the text: same text, same pipeline. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #ready = new Lru<string, Pipeline>({entries: MAX_PIPELINES});
  readonly #compiling = new Map<string, Promise<Pipeline>>();
  readonly #broken = new Lru<string, SplatError>({entries: MAX_PIPELINES});
  /** By launch, and the lists of launches that were found to fit the device: until pipelines come, go or break, when all has to be asked for again. */
  #launches = new WeakMap<Launch, LaunchPipeline>();
  fitting = new WeakSet<readonly Launch[]>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#ready.size;
  }

  #changed(): void {
    this.#launches = new WeakMap();
    this.fitting = new WeakSet();
  }

  /** Whether `ofLaunch` compiles nothing. */
  hasLaunch(launch: Launch): boolean {
    return this.#launches.has(launch) || this.has(launch.program);
  }

  /** As `get`. */
  ofLaunch(launch: Launch): LaunchPipeline {
    const known = this.#launches.get(launch);
    if (known !== undefined) return known;
    const {program, instead} = launch;
    const pipeline = this.get(program);
    const made = {...pipeline, roles: program.bindings.map((role) => instead?.[role] ?? role)};
    this.#launches.set(launch, made);
    return made;
  }

  has(program: Program): boolean {
    return this.#ready.get(program.key) !== undefined;
  }

  /** Compiles on a miss, synchronously: the device reports an error of this to the open error scope only. */
  get(program: Program): Pipeline {
    this.throwIfBroken(program);
    const known = this.#ready.get(program.key);
    if (known !== undefined) return known;
    const layout = this.#layout(program);
    const pipeline = this.#device.createComputePipeline(this.#descriptor(program, layout));
    return this.#keep(program, pipeline, layout);
  }

  #keep(program: Program, pipeline: GPUComputePipeline, layout: GPUBindGroupLayout): Pipeline {
    this.#changed();
    return this.#ready.set(program.key, {pipeline, layout, writes: writesOf(program)});
  }

  /** Compiles on a miss, off the main thread where the browser can. Rejects with a `SplatError` that quotes the device. */
  async compile(program: Program): Promise<Pipeline> {
    this.throwIfBroken(program);
    const known = this.#ready.get(program.key);
    if (known !== undefined) return known;
    let compiling = this.#compiling.get(program.key);
    if (compiling === undefined) {
      compiling = this.#compile(program).finally(() => this.#compiling.delete(program.key));
      this.#compiling.set(program.key, compiling);
    }
    return compiling;
  }

  /** Every later use of the program throws `error`. */
  markBroken(program: Program, error: SplatError): void {
    this.#changed();
    this.#ready.delete(program.key);
    this.#broken.set(program.key, error);
  }

  throwIfBroken(program: Program): void {
    const error = this.#broken.get(program.key);
    if (error !== undefined) throw error;
  }

  async #compile(program: Program): Promise<Pipeline> {
    this.#device.pushErrorScope('validation');
    const layout = this.#layout(program);
    const pending = this.#device.createComputePipelineAsync(this.#descriptor(program, layout));
    // A shader that does not parse is an error of the module, and the scope's; the pipeline's own message only refers to it.
    const [scope, outcome] = await Promise.allSettled([this.#device.popErrorScope(), pending]);
    const moduleError = scope.status === 'fulfilled' ? scope.value : null;
    if (outcome.status === 'fulfilled' && moduleError === null) return this.#keep(program, outcome.value, layout);
    const reason =
      moduleError?.message ??
      (outcome.status === 'rejected' ? String((outcome.reason as Error).message ?? outcome.reason) : 'no reason given');
    const error = refusedProgram(program.name, await withComplaints(this.#device, program.code, reason));
    this.markBroken(program, error);
    throw error;
  }

  #layout(program: Program): GPUBindGroupLayout {
    return this.#device.createBindGroupLayout({
      label: program.name,
      entries: program.bindings.map((role, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: {type: role === 'params' ? 'uniform' : program.writes.includes(role) ? 'storage' : 'read-only-storage'},
      })),
    });
  }

  #descriptor(program: Program, layout: GPUBindGroupLayout): GPUComputePipelineDescriptor {
    return {
      label: program.name,
      layout: this.#device.createPipelineLayout({bindGroupLayouts: [layout]}),
      compute: {module: this.#device.createShaderModule({label: program.name, code: program.code}), entryPoint: 'main'},
    };
  }
}
