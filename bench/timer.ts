import {finish, flush, type Gpu} from './gpu.js';
import type {Clock} from './records.js';
import {median} from './table.js';

/** Puts `count` calls of an op on the queue, each waiting for the one before, and returns at once. */
export type Enqueue = (count: number) => void;

export interface Timing {
  /** Milliseconds of one call: the median of the samples. */
  readonly ms: number;
  readonly samples: number;
  /** How fast the device ran around the samples, 1 = as fast as it was ever seen. Undefined on the wall clock. */
  readonly clockRatio?: number;
}

/** Measures GPU time. `budgetMs` is about what all samples of one measurement may take. */
export interface Timer {
  readonly clock: Clock;
  time(enqueue: Enqueue, budgetMs?: number): Promise<Timing>;
}

/** Device timestamps on a real GPU that has them; the wall clock elsewhere (a software adapter has no clock that could idle). */
export async function openTimer(gpu: Gpu): Promise<Timer> {
  if (gpu.software || !gpu.device.features.has('timestamp-query')) return new WallTimer(gpu);
  const timer = new TimestampTimer(gpu);
  await timer.calibrate();
  return timer;
}

/**
 * Slow calls are timed one by one; for fast ones (T(b) − T(a)) / (b − a), so that what is paid once for a submit and a wait falls out.
 * The caller has run the op before.
 */
class WallTimer implements Timer {
  readonly clock = 'wall';
  constructor(private readonly gpu: Gpu) {}

  async time(enqueue: Enqueue, budgetMs = 4000): Promise<Timing> {
    const once = await this.wall(enqueue, 1);
    // From 100 ms up what is paid once, well under 1 ms, does not show.
    const few = once > 100 ? 0 : 1;
    const many = few + Math.max(1, Math.ceil(100 / once));
    // Dense attention on SwiftShader takes half a minute a call: there, one has to do.
    const fewest = once > 10_000 ? 1 : 3;
    const samples = Math.min(7, Math.max(fewest, Math.floor(budgetMs / (once * (few + many)))));
    const times = few === 0 ? [once] : [];
    while (times.length < samples) {
      const fixed = few === 0 ? 0 : await this.wall(enqueue, few);
      times.push(((await this.wall(enqueue, many)) - fixed) / (many - few));
    }
    return {ms: median(times), samples};
  }

  private async wall(enqueue: Enqueue, count: number): Promise<number> {
    const start = performance.now();
    enqueue(count);
    await finish(this.gpu);
    return performance.now() - start;
  }
}

/** A pass slower than this against the best ever seen means that the clock fell: 57 of 65 TFLOPS on an H200 (see docs/benchmarks.md). */
const LOWEST_CLOCK = 0.88;
const MAX_SAMPLES = 15;
const MAX_STAMPS = MAX_SAMPLES + 4;
const ATTEMPTS = 6;

/**
 * Timestamps between calls, on a device that runs at full clock.
 *
 * One measurement is one uninterrupted queue: work that only heats (10 ms and more), a calibration pass, the samples, the calibration
 * pass again; empty passes between them write timestamps when all before is done. It counts only when both calibrations ran at nearly
 * the best speed ever seen, and when the CPU had put everything on the queue before the heating ended, so that the device never waited.
 */
class TimestampTimer implements Timer {
  readonly clock = 'gpu';
  private readonly stamps: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private readonly readable: GPUBuffer;
  private readonly heater: GPUComputePipeline;
  private readonly heaterBindings: GPUBindGroup;
  /** Workgroups of one calibration pass, chosen so that it takes about a millisecond. */
  private groups = 32;
  private bestCalibrationMs = Infinity;

  constructor(private readonly gpu: Gpu) {
    const {device} = gpu;
    this.stamps = device.createQuerySet({type: 'timestamp', count: MAX_STAMPS});
    this.resolved = device.createBuffer({size: MAX_STAMPS * 8, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC});
    this.readable = device.createBuffer({size: MAX_STAMPS * 8, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST});
    this.heater = device.createComputePipeline({
      label: 'bench heater',
      layout: 'auto',
      compute: {module: device.createShaderModule({code: HEATER}), entryPoint: 'main'},
    });
    this.heaterBindings = device.createBindGroup({
      layout: this.heater.getBindGroupLayout(0),
      entries: [{binding: 0, resource: {buffer: device.createBuffer({size: 16 * 256, usage: GPUBufferUsage.STORAGE})}}],
    });
  }

  /** Sizes the calibration pass and learns how fast this device can be. */
  async calibrate(): Promise<void> {
    for (let calibration = 0; calibration < 0.7 && this.groups < 65535;) {
      calibration = (await this.series(() => {}, 1, 0, 20)).calibrationMs;
      if (calibration < 0.7) this.groups = Math.min(65535, this.groups * 2);
    }
    this.bestCalibrationMs = Infinity;
    for (let i = 0; i < 5; i++) await this.series(() => {}, 1, 0, 60);
  }

  async time(enqueue: Enqueue, budgetMs = 150): Promise<Timing> {
    // Twice: the first call may compile and upload.
    await this.series(enqueue, 1, 1, 5);
    const estimate = Math.max(0.005, (await this.series(enqueue, 1, 1, 20)).times[0]!);
    const count = Math.min(40, Math.ceil(1 / estimate));
    const samples = Math.max(3, Math.min(MAX_SAMPLES, Math.floor(budgetMs / (count * estimate))));
    let heatMs = 15;
    let best: Timing = {ms: Infinity, samples: 0, clockRatio: -1};
    let bestStarved = true;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const {times, calibrationMs, enqueueMs} = await this.series(enqueue, count, samples, heatMs);
      const clockRatio = this.bestCalibrationMs / calibrationMs;
      const starved = enqueueMs > heatMs;
      // A measurement that waited for the CPU is better than none, and worse than any that did not.
      if (starved === bestStarved ? clockRatio > best.clockRatio! : bestStarved) {
        best = {ms: median(times), samples, clockRatio};
        bestStarved = starved;
      }
      if (!starved && clockRatio >= LOWEST_CLOCK) break;
      heatMs = Math.min(400, Math.max(heatMs * 1.5, enqueueMs * 2));
    }
    return best;
  }

  private async series(enqueue: Enqueue, count: number, samples: number, heatMs: number): Promise<Series> {
    const {backend, device} = this.gpu;
    flush(backend);
    const calibration = Number.isFinite(this.bestCalibrationMs) ? this.bestCalibrationMs : 1;
    const encoder = device.createCommandEncoder();
    this.heat(encoder, Math.ceil(heatMs / calibration));
    this.stamp(encoder, 0);
    this.heat(encoder, 1);
    this.stamp(encoder, 1);
    device.queue.submit([encoder.finish()]);
    const start = performance.now();
    for (let sample = 0; sample < samples; sample++) {
      enqueue(count);
      flush(backend);
      const between = device.createCommandEncoder();
      this.stamp(between, 2 + sample);
      device.queue.submit([between.finish()]);
    }
    const enqueueMs = performance.now() - start;
    const last = device.createCommandEncoder();
    this.heat(last, 1);
    this.stamp(last, 2 + samples);
    const bytes = 8 * (3 + samples);
    last.resolveQuerySet(this.stamps, 0, 3 + samples, this.resolved, 0);
    last.copyBufferToBuffer(this.resolved, 0, this.readable, 0, bytes);
    device.queue.submit([last.finish()]);
    await this.readable.mapAsync(GPUMapMode.READ, 0, bytes);
    const nanoseconds = new BigUint64Array(this.readable.getMappedRange(0, bytes).slice(0));
    this.readable.unmap();
    const between = (i: number): number => Number(nanoseconds[i + 1]! - nanoseconds[i]!) / 1e6;
    const calibrations = [between(0), between(1 + samples)];
    this.bestCalibrationMs = Math.min(this.bestCalibrationMs, ...calibrations);
    return {
      times: Array.from({length: samples}, (_, sample) => between(1 + sample) / count),
      calibrationMs: Math.max(...calibrations),
      enqueueMs,
    };
  }

  private heat(encoder: GPUCommandEncoder, dispatches: number): void {
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.heater);
    pass.setBindGroup(0, this.heaterBindings);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(this.groups);
    pass.end();
  }

  /** Only the end of a pass waits for all work before it; its beginning may be written while that still runs. */
  private stamp(encoder: GPUCommandEncoder, index: number): void {
    encoder.beginComputePass({timestampWrites: {querySet: this.stamps, endOfPassWriteIndex: index}}).end();
  }
}

interface Series {
  /** Milliseconds of one call, per sample. */
  readonly times: readonly number[];
  /** The slower of the two calibration passes. */
  readonly calibrationMs: number;
  /** CPU time of putting the samples on the queue. */
  readonly enqueueMs: number;
}

/** 16,384 dependent-free vec4 multiply-adds per invocation: nothing but clock. */
const HEATER = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> sink: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  var a = vec4f(f32(id.x));
  var b = vec4f(1);
  var c = vec4f(2);
  var d = vec4f(3);
  let m = vec4f(0.999, 0.998, 0.997, f32(id.x));
  for (var i = 0u; i < 4096u; i++) {
    a = fma(a, m, vec4f(1.1));
    b = fma(b, m, vec4f(1.1));
    c = fma(c, m, vec4f(1.1));
    d = fma(d, m, vec4f(1.1));
  }
  sink[local] = a + b + c + d;
}
`;
