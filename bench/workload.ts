import * as tf from '@tensorflow/tfjs-core';
import {planAttention, sparseAttention} from '../src/index.js';
import {Host} from '../src/runtime/host/backend.js';
import {finish, flush, type Gpu} from './gpu.js';
import type {Implementation, Options} from './options.js';
import type {BenchPattern} from './patterns.js';
import {PATTERNS} from './patterns.js';
import {dense, denseMisfit} from './peers/tfjs_dense.js';
import {prototypeOp, PATTERNS as PROTOTYPE_PATTERNS} from './peers/prototype/op.mjs';
import type {AttentionRecord} from './records.js';
import {benchInputs, sampledError, type Inputs} from './reference.js';
import {SKIPPED} from './skipped.js';
import {median} from './table.js';
import type {Enqueue, Timer} from './timer.js';
import type {DeviceWatch} from './watch.js';

export interface Bench extends Options {
  readonly gpu: Gpu;
  readonly timer: Timer;
  readonly watch: DeviceWatch;
}

/** Values lie in [−1, 1); float32 attention is within 1e-6 of float64 there, and a single wrong key at n = 16384 shows above 1e-5. */
const LARGEST_ERROR = 1e-5;
/** From this size on, dense attention submits after every call: TensorFlow.js would hold the scores of three calls until it does. */
const LARGE_SCORES = 2 ** 26;

/** One length: its tensors, and every system timed on them. */
export class Workload {
  private readonly inputs: Inputs;
  private readonly query: tf.Tensor4D;
  private readonly key: tf.Tensor4D;
  private readonly value: tf.Tensor4D;
  private readonly denseMs: {full?: number; masked?: number} = {};

  constructor(
    private readonly bench: Bench,
    private readonly n: number,
  ) {
    const {heads, headDim} = bench;
    this.inputs = benchInputs(heads, n, headDim);
    const shape: [number, number, number, number] = [1, heads, n, headDim];
    this.query = tf.tensor4d(this.inputs.query, shape);
    this.key = tf.tensor4d(this.inputs.key, shape);
    this.value = tf.tensor4d(this.inputs.value, shape);
    // On the device before anything is counted or timed.
    for (const {dataId} of [this.query, this.key, this.value]) bench.gpu.backend.uploadToGPU(dataId);
  }

  dispose(): void {
    tf.dispose([this.query, this.key, this.value]);
    flush(this.bench.gpu.backend);
  }

  async splatRow(pattern: BenchPattern, implementation: Implementation): Promise<AttentionRecord> {
    const {bench, n} = this;
    const shape = {queryLength: n, keyLength: n, headDim: bench.headDim, heads: bench.heads, batch: 1};
    const device = Host.of(bench.gpu.backend)!.limits;
    const attend = (query: tf.Tensor4D): tf.Tensor4D =>
      sparseAttention(query, this.key, this.value, pattern.pattern, {implementation}) as tf.Tensor4D;
    const row = this.row('tfjs-splat', pattern);
    try {
      const planTimes: number[] = [];
      let plan = planAttention(pattern.pattern, {...shape, device});
      for (let i = 0; i < 9; i++) {
        const start = performance.now();
        plan = planAttention(pattern.pattern, {...shape, device});
        planTimes.push(performance.now() - start);
      }
      const {firstMs, use, maxError} = await this.first(attend, pattern);
      const timing = await bench.timer.time(this.chained(attend));
      const ran = implementation === 'auto' ? plan.implementation : implementation;
      const denseMs = pattern.name === 'full' ? this.denseMs.full : this.denseMs.masked;
      return {
        ...row,
        implementation: ran,
        ...timing,
        tflops: (4 * plan.nnz * bench.headDim * bench.heads) / timing.ms / 1e9,
        density: plan.density,
        // A forced implementation has another plan than the one planAttention chose; dense computes every pair.
        tileDensity: ran === plan.implementation ? plan.tileDensity : ran === 'dense' ? plan.density : undefined,
        timesDense: denseMs && denseMs / timing.ms,
        planMs: median(planTimes),
        firstMs,
        pipelines: use.pipelines,
        extraBytes: use.peakBytes - this.outputBytes,
        extraOverOutput: (use.peakBytes - this.outputBytes) / this.outputBytes,
        maxError,
        error: this.complaint(maxError),
      };
    } catch (error) {
      return {...row, error: String(error)};
    }
  }

  skipped(pattern: BenchPattern): AttentionRecord {
    return {...this.row('tfjs-splat', pattern), error: SKIPPED};
  }

  /** TensorFlow.js dense attention: without a mask for `full`, with one for all others, whose time does not depend on what it masks. */
  async denseRows(): Promise<AttentionRecord[]> {
    const {bench, n} = this;
    const misfit = denseMisfit(bench.gpu, bench.heads, n);
    const rows: AttentionRecord[] = [];
    for (const kind of ['masked', 'full'] as const) {
      const name = kind === 'full' ? 'full' : bench.patterns.find((candidate) => candidate !== 'full');
      if (name === undefined || (kind === 'full' && !bench.patterns.includes('full'))) continue;
      const pattern = PATTERNS.find((candidate) => candidate.name === name)!;
      const row = {...this.row('tfjs dense', pattern), implementation: kind};
      if (misfit !== null) {
        rows.push({...row, error: `does not fit: ${misfit}`});
        continue;
      }
      const mask = kind === 'full' ? null : additiveMask(pattern, n);
      const attend = (query: tf.Tensor4D): tf.Tensor4D => dense({query, key: this.key, value: this.value, mask});
      const {firstMs, use, maxError} = await this.first(attend, pattern);
      const timing = await bench.timer.time(this.chained(attend, bench.heads * n * n * 4 >= LARGE_SCORES));
      mask?.dispose();
      this.denseMs[kind] = timing.ms;
      rows.push({
        ...row,
        ...timing,
        firstMs,
        extraBytes: use.peakBytes - this.outputBytes,
        extraOverOutput: (use.peakBytes - this.outputBytes) / this.outputBytes,
        maxError,
        error: this.complaint(maxError),
      });
    }
    return rows;
  }

  /** What dense attention does where it does not fit: nothing is thrown, and the numbers are wrong. */
  async denseOverflow(): Promise<AttentionRecord> {
    const {bench, n} = this;
    const full = PATTERNS.find(({name}) => name === 'full')!;
    const row = {...this.row('tfjs dense', full), implementation: 'full'};
    const misfit = denseMisfit(bench.gpu, bench.heads, n);
    try {
      const output = dense({query: this.query, key: this.key, value: this.value, mask: null});
      const maxError = sampledError(this.inputs, full.attends, await output.data());
      output.dispose();
      const [unheard] = bench.gpu.takeErrors();
      const said = unheard === undefined ? '' : `; the device said, unheard: ${unheard.split('\n')[0]}`;
      return {...row, maxError, error: `nothing thrown, wrong by ${maxError.toPrecision(2)} (${misfit}${said})`};
    } catch (error) {
      return {...row, error: `${String(error)} (${misfit})`};
    }
  }

  /** The throw-away prototype on the same buffers and the same clock, or null where it has no such kernel. */
  async prototypeRow(pattern: BenchPattern): Promise<AttentionRecord | null> {
    const {bench, n} = this;
    if (bench.headDim !== 64 || !PROTOTYPE_PATTERNS.includes(pattern.name)) return null;
    const row = this.row('prototype', pattern);
    const buffer = ({dataId}: tf.Tensor): GPUBuffer => bench.gpu.backend.tensorMap.get(dataId).resource as GPUBuffer;
    const buffers = {query: buffer(this.query), key: buffer(this.key), value: buffer(this.value)};
    try {
      const op = await prototypeOp(bench.gpu.device, pattern.name, n, bench.heads, buffers);
      op.enqueue(1);
      const maxError = sampledError(this.inputs, pattern.attends, await this.read(op.output));
      const timing = await bench.timer.time((count) => op.enqueue(count));
      op.release();
      return {...row, implementation: op.variant, ...timing, maxError, error: this.complaint(maxError)};
    } catch (error) {
      return {...row, error: String(error)};
    }
  }

  private row(system: string, {name}: BenchPattern): AttentionRecord {
    const {heads, headDim} = this.bench;
    return {kind: 'attention', system, dtype: 'float32', pattern: name, n: this.n, heads, headDim, ms: null};
  }

  private get outputBytes(): number {
    return this.query.size * 4;
  }

  /** The first call with this pattern and size: what it takes, from plan to last dispatch, and whether the answer is right. */
  private async first(attend: (query: tf.Tensor4D) => tf.Tensor4D, pattern: BenchPattern) {
    const {gpu, watch} = this.bench;
    await finish(gpu);
    let output: tf.Tensor4D | undefined;
    const start = performance.now();
    const use = await watch.use(async () => {
      output = attend(this.query);
      await finish(gpu);
    });
    const firstMs = performance.now() - start;
    const maxError = sampledError(this.inputs, pattern.attends, await output!.data());
    output!.dispose();
    return {firstMs, use, maxError};
  }

  /** Each call takes the output of the one before as its query, as layers of a model do, so that calls cannot overlap on the device. */
  private chained(attend: (query: tf.Tensor4D) => tf.Tensor4D, submitEach = false): Enqueue {
    return (count) => {
      let query = this.query;
      for (let i = 0; i < count; i++) {
        const output = attend(query);
        if (query !== this.query) query.dispose();
        query = output;
        if (submitEach) flush(this.bench.gpu.backend);
      }
      query.dispose();
    };
  }

  private complaint(maxError: number): string | undefined {
    const [first] = this.bench.gpu.takeErrors();
    if (first !== undefined) return `device error: ${first.split('\n')[0]}`;
    return maxError <= LARGEST_ERROR ? undefined : `wrong: max error ${maxError.toExponential(1)}`;
  }

  private async read(buffer: GPUBuffer): Promise<Float32Array> {
    const {device} = this.bench.gpu;
    const staging = device.createBuffer({size: this.outputBytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST});
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, this.outputBytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const data = new Float32Array(staging.getMappedRange().slice(0));
    staging.destroy();
    return data;
  }
}

function additiveMask({attends}: BenchPattern, n: number): tf.Tensor {
  const data = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (!attends(i, j)) data[i * n + j] = -1e9;
  return tf.tensor4d(data, [1, 1, n, n]);
}
