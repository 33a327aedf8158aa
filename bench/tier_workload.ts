import {
  compile,
  type BindingRole,
  type Compiled,
  type Device,
  type Implementation,
  type Problem,
  type Precision,
} from '../src/pure.js';
import {Pipelines} from '../src/runtime/host/pipelines.js';
import {convertedBytes} from '../src/wgsl/index.js';
import {finish, type Gpu} from './gpu.js';
import type {BenchPattern} from './patterns.js';
import {matrixVariant, prototypeMatrixOp} from './peers/prototype_matrix/op.mjs';
import type {TierRecord} from './records.js';
import {fromHalves, growingKeys, halfInputs, sampledErrors, type Inputs} from './reference.js';
import {neverSeen, TierOp} from './tier_op.js';
import type {OwnSystem, System} from './tier_options.js';
import {runsPrototypeMatrix, tierDevice} from './tier_systems.js';
import type {Timer} from './timer.js';

export interface TierBench {
  readonly gpu: Gpu;
  readonly timer: Timer;
  readonly granted: Device;
  readonly refused: readonly string[];
  readonly heads: number;
  readonly pipelines: Pipelines;
  /** The sets of kernels that have had their first call; null where first calls are not timed. */
  readonly seen: Set<string> | null;
}

/** As in workload.ts. */
const LARGEST_ERROR = 1e-5;
/** Of what rounds to float16 on its way: the absolute bound; the relative one is what tells a wrong key, see `SampledErrors`. */
const LARGEST_HALF_ERROR = 2e-3;

/** One length and headDim: its buffers, and every system timed on them. */
export class TierWorkload {
  private readonly inputs: Inputs;
  private readonly tensors: Partial<Record<BindingRole, GPUBuffer>> & {readonly output: GPUBuffer};
  private readonly convertMs = new Map<string, number>();

  constructor(
    private readonly bench: TierBench,
    private readonly n: number,
    private readonly headDim: number,
    private readonly keys?: 'growing',
  ) {
    const inputs = halfInputs(bench.heads, n, headDim);
    this.inputs = keys === 'growing' ? growingKeys(inputs) : inputs;
    const {query, key, value} = this.inputs;
    this.tensors = {
      query: this.buffer(query),
      key: this.buffer(key),
      value: this.buffer(value),
      output: this.buffer(query.byteLength),
    };
  }

  dispose(): void {
    for (const buffer of Object.values(this.tensors)) buffer.destroy();
  }

  async row(system: System, pattern: BenchPattern): Promise<TierRecord | null> {
    const row = this.empty(system, pattern);
    try {
      if (system === 'prototype matrix') return await this.prototypeRow(pattern, row);
      await finish(this.bench.gpu);
      const start = performance.now();
      const compiled = this.compile(system, pattern);
      return typeof compiled === 'string' ? {...row, error: compiled} : await this.ownRow(compiled, pattern, row, start);
    } catch (error) {
      this.bench.gpu.takeErrors();
      return {...row, error: String(error)};
    }
  }

  /** A row of what `compile` gave. */
  async rowOf(compiled: Compiled, system: OwnSystem, pattern: BenchPattern): Promise<TierRecord> {
    const row = this.empty(system, pattern);
    try {
      return await this.ownRow(compiled, pattern, row, performance.now());
    } catch (error) {
      this.bench.gpu.takeErrors();
      return {...row, error: String(error)};
    }
  }

  /** Plan and kernels of one of our systems, or why it cannot run here. */
  compile(
    system: OwnSystem,
    pattern: BenchPattern,
    implementation: Implementation | 'auto' = 'auto',
    changed: (device: Device) => Device = (device) => device,
  ): Compiled | string {
    const {granted, refused} = this.bench;
    const tier = tierDevice(system, granted, refused);
    if (typeof tier === 'string') return tier;
    for (const precision of tier.precision) {
      const compiled = this.compileFor(pattern, changed(tier.device), precision, implementation);
      if (system !== 'tensor cores' || compiled.plan.matrix !== null) return compiled;
    }
    return "none of the device's matrices fit";
  }

  empty(system: System, {name}: BenchPattern): TierRecord {
    const {n, headDim, keys} = this;
    return {kind: 'tier', system, pattern: name, n, heads: this.bench.heads, headDim, ...(keys && {keys}), ms: null};
  }

  private async ownRow(compiled: Compiled, pattern: BenchPattern, row: TierRecord, start: number): Promise<TierRecord> {
    const {gpu, timer, heads, seen, pipelines} = this.bench;
    const {plan, launches} = compiled;
    this.makeHalves(compiled);

    const structure = [...new Set(launches.map(({program}) => program.key))].sort();
    let firstMs: number | undefined;
    if (seen !== null && !seen.has(structure.join())) {
      seen.add(structure.join());
      const first = new TierOp(gpu.device, compiled, new Pipelines(gpu.device), this.tensors, neverSeenOnce());
      first.enqueue(1, 'all');
      await finish(gpu);
      firstMs = performance.now() - start;
      first.release();
    }

    // Here and not in the op, because this one waits and quotes what the device says.
    for (const {program} of launches) await pipelines.compile(program);
    const op = new TierOp(gpu.device, compiled, pipelines, this.tensors);
    try {
      const {absolute, relative} = await this.errors(pattern, this.tensors.output, () => op.enqueue(1, 'all'));
      const half = plan.formats.key === 'float16';
      const complaint = this.complaint(absolute, relative, half ? LARGEST_HALF_ERROR : LARGEST_ERROR);
      const found = {
        ...row,
        implementation: plan.implementation,
        tile: tileText(compiled),
        ...(plan.matrix !== null && {matrix: matrixText(plan.matrix)}),
        maxError: absolute,
        relativeError: relative,
        ...(firstMs !== undefined && {firstMs, pipelines: structure.length}),
      };
      // Wrong answers are not timed.
      if (complaint !== undefined) return {...found, error: complaint};
      const timing = await timer.time((count) => op.enqueue(count, 'kernels'));
      return {
        ...found,
        ...timing,
        tflops: (4 * plan.nnz * this.headDim * heads) / timing.ms / 1e9,
        ...(plan.matrix !== null && {attendMs: (await timer.time((count) => op.enqueue(count, 'without repair'), 60)).ms}),
        ...(half && {convertMs: await this.convert(compiled, op)}),
        error: this.deviceError(),
      };
    } finally {
      op.release();
    }
  }

  /** Null where the prototype has no such kernel. */
  private async prototypeRow(pattern: BenchPattern, row: TierRecord): Promise<TierRecord | null> {
    const {n, headDim, bench} = this;
    const {gpu, timer, granted, heads, pipelines} = bench;
    if (matrixVariant(pattern.name, n, headDim) === null) return null;
    if (!runsPrototypeMatrix(granted)) return {...row, error: 'not granted: matrices of 16 × 16 × 16, f16 → f32'};
    const converts = this.compileFor(pattern, {...granted, matrices: []}, 'float16');
    this.makeHalves(converts);
    const convert = new TierOp(gpu.device, converts, pipelines, this.tensors);
    convert.enqueue(1, 'convert');
    const {queryHalves, keyHalves, valueHalves} = this.tensors;
    const buffers = {query: queryHalves!, key: keyHalves!, value: valueHalves!};
    const op = await prototypeMatrixOp(gpu.device, pattern.name, n, heads, headDim, buffers);
    try {
      const {absolute, relative} = await this.errors(pattern, op.output, () => op.enqueue(1), 'float16');
      const found = {...row, tile: op.variant, matrix: 'f16 → f32, 16×16×16', maxError: absolute, relativeError: relative};
      const complaint = this.complaint(absolute, relative, LARGEST_HALF_ERROR);
      if (complaint !== undefined) return {...found, error: complaint};
      const timing = await timer.time((count) => op.enqueue(count));
      return {...found, ...timing, tflops: (4 * op.nnz * headDim * heads) / timing.ms / 1e9, error: this.deviceError()};
    } finally {
      convert.release();
      op.release();
    }
  }

  private compileFor(
    {pattern}: BenchPattern,
    device: Device,
    precision: Precision,
    implementation: Implementation | 'auto' = 'auto',
  ): Compiled {
    const {n, headDim} = this;
    const problem: Problem = {
      batch: 1,
      heads: this.bench.heads,
      keyHeads: this.bench.heads,
      packedHeads: 1,
      queryLength: n,
      keyLength: n,
      queryOffset: 0,
      headDim,
      valueDim: headDim,
    };
    return compile(pattern, problem, device, {precision, implementation});
  }

  /** All float16 plans of a length have the same converted tensors. */
  private makeHalves({plan}: Compiled): void {
    if (this.tensors.queryHalves !== undefined) return;
    const buffers = Object.entries(convertedBytes(plan)).map(([role, bytes]) => [role, this.buffer(bytes)] as const);
    Object.assign(this.tensors, Object.fromEntries(buffers));
  }

  /** The conversion depends on the length alone, and is timed once for all patterns. */
  private async convert({launches}: Compiled, op: TierOp): Promise<number> {
    const {program, grid} = launches.find((launch) => launch.program.name.endsWith('.convert'))!;
    const name = `${program.key} ${grid.join()}`;
    const known = this.convertMs.get(name);
    if (known !== undefined) return known;
    const {ms} = await this.bench.timer.time((count) => op.enqueue(count, 'convert'));
    this.convertMs.set(name, ms);
    return ms;
  }

  /** Runs `enqueue` into a cleared output, so that rows which are not written show, and compares. */
  private async errors({attends}: BenchPattern, output: GPUBuffer, enqueue: () => void, dtype?: 'float16') {
    const {device} = this.bench.gpu;
    const clear = device.createCommandEncoder();
    clear.clearBuffer(output);
    device.queue.submit([clear.finish()]);
    enqueue();
    const staging = device.createBuffer({size: output.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST});
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(output, 0, staging, 0, output.size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange();
    const data = dtype === 'float16' ? fromHalves(new Uint16Array(bytes)) : new Float32Array(bytes);
    const errors = sampledErrors(this.inputs, attends, data);
    staging.destroy();
    return errors;
  }

  private complaint(absolute: number, relative: number, largest: number): string | undefined {
    const error = this.deviceError();
    if (error !== undefined) return error;
    if (absolute <= largest && relative <= LARGEST_HALF_ERROR) return undefined;
    return `wrong: max error ${absolute.toExponential(1)}, relative ${relative.toExponential(1)}`;
  }

  private deviceError(): string | undefined {
    const [first] = this.bench.gpu.takeErrors();
    return first === undefined ? undefined : `device error: ${first.split('\n')[0]}`;
  }

  private buffer(content: Float32Array | number): GPUBuffer {
    const {device} = this.bench.gpu;
    const buffer = device.createBuffer({
      size: typeof content === 'number' ? content : content.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    if (typeof content !== 'number') device.queue.writeBuffer(buffer, 0, content as GPUAllowSharedBufferSource);
    return buffer;
  }
}

/** A plan may launch one program several times; it is compiled once then, also when it is made new. */
function neverSeenOnce(): typeof neverSeen {
  const made = new Map<string, ReturnType<typeof neverSeen>>();
  return (program) => {
    const known = made.get(program.key) ?? neverSeen(program);
    made.set(program.key, known);
    return known;
  };
}

const tileText = ({plan: {tile}}: Compiled): string =>
  `${tile.rows}×${tile.keys}, ${tile.threadsX}×${tile.threadsY}, unrolled ${tile.unroll.scores}·${tile.unroll.values}`;

const matrixText = ({componentType, resultComponentType, M, N, K}: NonNullable<Compiled['plan']['matrix']>): string =>
  `${componentType} → ${resultComponentType}, ${M}×${N}×${K}`;
