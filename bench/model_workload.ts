import {dispose, type io, type Tensor} from '@tensorflow/tfjs-core';
import {loadGraphModelSync, type GraphModel} from '@tensorflow/tfjs-converter';
import {capture, full, sparseIOHandler, type Pattern} from '../src/index.js';
import {finish, flush, onForgetful, type Gpu} from './gpu.js';
import {attentionGraph, attentionInputs, encoderGraph, encoderInputs, largestTensor} from './model_graphs.js';
import type {BertSizes, GraphName, Inputs} from './model_graphs.js';
import {LARGEST_DIFFERENCE} from './model_targets.js';
import {PATTERNS} from './patterns.js';
import {denseMisfit} from './peers/tfjs_dense.js';
import type {ModelRecord, ReplayCost} from './model_record.js';
import {median} from './table.js';
import type {Timer} from './timer.js';
import type {DeviceWatch} from './watch.js';

export interface ModelBench {
  readonly gpu: Gpu;
  readonly timer: Timer;
  readonly watch: DeviceWatch;
  readonly sizes: BertSizes;
  /** Of the wall clock. */
  readonly rounds: number;
}

type Part = ModelRecord['part'];
/** Runs that are timed together: on a host of slow submissions each wait for the GPU would cost as much as a model. */
const RUNS = 4;
type Model = GraphModel<io.IOHandlerSync>;

/** One graph, loaded as it is and swapped with full(), unfolded and folded, and with the longformer pattern of the benchmark; the weights four times. */
export class ModelWorkload {
  private readonly loaded: Record<System, Model>;
  private readonly artifacts: io.ModelArtifacts;

  constructor(
    private readonly bench: ModelBench,
    private readonly graph: GraphName,
    private readonly part: Part,
    positions: number,
  ) {
    const {sizes} = bench;
    const artifacts = (this.artifacts = part === 'model' ? encoderGraph(graph, sizes, positions) : attentionGraph(graph, sizes));
    const attentions = part === 'model' ? sizes.layers : 1;
    const swapped = (pattern: Pattern, fold = true): Model => {
      const handler = sparseIOHandler(artifacts, {pattern, fold});
      const model = loadGraphModelSync(handler);
      const {replaced, left} = handler.report!;
      if (replaced.length !== attentions)
        throw new Error(`${replaced.length} of ${attentions} attentions swapped: ${left[0]?.reason}`);
      return model;
    };
    this.loaded = {
      original: loadGraphModelSync({load: () => artifacts}),
      swapped: swapped(full(), false),
      full: swapped(full()),
      longformer: swapped(PATTERNS.find(({name}) => name === 'longformer')!.pattern),
    };
  }

  dispose(): void {
    for (const model of Object.values(this.loaded)) model.dispose();
    flush(this.bench.gpu.backend);
  }

  /** The original and one swap at one length, measured turn by turn. */
  async rows(n: number, pattern: 'full' | 'longformer'): Promise<ModelRecord[]> {
    const {bench, part} = this;
    const {gpu} = bench;
    const row = {...this.row(n), pattern};
    const inputs = this.inputs(n);
    const misfit = this.misfit(n);
    const names: readonly System[] =
      misfit !== null ? [pattern] : pattern === 'full' ? ['original', 'swapped', pattern] : ['original', pattern];
    // Once each, so that pipelines, uploads and plans are there.
    for (const name of names) await this.once(this.loaded[name], inputs);
    const peaks = new Map<System, number>();
    for (const name of names) {
      peaks.set(name, (await bench.watch.use(() => this.once(this.loaded[name], inputs))).peakBytes);
    }
    const {walls, stock, captured} = await this.wallTimes(names, n, inputs, misfit === null);
    const gpuMs = new Map<System, number>();
    if (bench.timer.clock === 'gpu') {
      for (const name of names) {
        // Short budgets: a model at 4,096 tokens takes a tenth of a second.
        const {ms} = await bench.timer.time((count) => this.enqueue(this.loaded[name], inputs, count), 300);
        gpuMs.set(name, ms);
      }
    }
    const errors = gpu.takeErrors();
    const difference = misfit === null ? await this.difference(inputs) : undefined;
    const of = (name: System) => ({
      ms: walls.get(name)!,
      gpuMs: gpuMs.get(name),
      peakBytes: peaks.get(name),
      samples: bench.rounds,
    });
    const time = (name: System): number | undefined => gpuMs.get(name) ?? walls.get(name);
    const original: ModelRecord =
      misfit === null
        ? {...row, system: 'original', ...of('original'), ms: stock!}
        : {...row, system: 'original', ms: null, error: `does not fit: ${misfit}`};
    const wrong = difference !== undefined && !(difference <= LARGEST_DIFFERENCE) ? `full() differs by ${difference}` : errors[0];
    // What a user waits for counts for the model; for its attention alone, whose calls are short, what the GPU takes.
    const share =
      misfit === null
        ? part === 'model'
          ? of(pattern).ms / stock!
          : time(pattern)! / (gpuMs.get('original') ?? stock!)
        : undefined;
    const swap: ModelRecord = {...row, system: 'tfjs-splat', ...of(pattern), share, difference, ...(wrong && {error: wrong})};
    dispose(inputs);
    const wall = (system: ModelRecord['system'], ms: number | undefined, replay?: ReplayCost): ModelRecord[] =>
      ms === undefined
        ? []
        : [{...row, system, ms, samples: bench.rounds, ...(stock !== undefined && {share: ms / stock}), ...(replay && {replay})}];
    const replays = (system: ModelRecord['system'], name: System): ModelRecord[] =>
      wall(system, captured.get(name)?.ms, captured.get(name)?.cost);
    const replayed = replays('tfjs-splat, captured', pattern);
    if (misfit !== null) return [original, swap, ...replayed];
    return [
      original,
      ...wall('remembered', of('original').ms),
      ...replays('remembered, captured', 'original'),
      ...wall('swapped, remembered', walls.get('swapped')),
      swap,
      ...replayed,
    ];
  }

  /**
   * What the original says where it does not fit: TensorFlow.js checks no limits. Its output is held against that of the model swapped
   * with full(), which computes the same in memory that grows with n.
   */
  async overflow(n: number): Promise<ModelRecord> {
    const {bench} = this;
    const row = {...this.row(n), pattern: 'full', system: 'original' as const, ms: null};
    const inputs = this.inputs(n);
    try {
      const difference = await this.difference(inputs);
      const [unheard] = bench.gpu.takeErrors();
      const said = unheard === undefined ? '' : `; the device said, unheard: ${unheard.split('\n')[0]}`;
      return {...row, difference, error: `nothing thrown, wrong by ${difference.toPrecision(2)} (${this.misfit(n)}${said})`};
    } catch (error) {
      return {...row, error: `${String(error).split('\n')[0]} (${this.misfit(n)})`};
    } finally {
      dispose(inputs);
    }
  }

  /** Why the original gives garbage at this length, without an error; or null when it fits. */
  misfit(n: number): string | null {
    const {gpu, sizes} = this.bench;
    const bytes = largestTensor(this.graph, sizes, n, this.part);
    const limit = gpu.device.limits.maxStorageBufferBindingSize;
    const mib = (size: number): string => `${Math.round(size / 2 ** 20)} MiB`;
    if (bytes > limit) return `its largest tensor takes ${mib(bytes)}, one binding ${mib(limit)}`;
    return denseMisfit(gpu, sizes.heads, n);
  }

  private row(n: number): Pick<ModelRecord, 'kind' | 'graph' | 'part' | 'n' | 'layers' | 'heads' | 'headDim' | 'ffn'> {
    const {layers, heads, headDim, ffn} = this.bench.sizes;
    return {kind: 'model', graph: this.graph, part: this.part, n, layers, heads, headDim, ffn};
  }

  /**
   * Milliseconds of a run, runs of each issued back to back, in turns. `stock` is the original on a backend that remembers nothing between
   * runs, which the others do. `captured` are replays, of whole models.
   */
  private async wallTimes(
    names: readonly System[],
    n: number,
    inputs: Inputs,
    withStock: boolean,
  ): Promise<{walls: ReadonlyMap<System, number>; stock: number | undefined; captured: ReadonlyMap<System, Replayed>}> {
    const {gpu, rounds} = this.bench;
    const times = new Map<System, number[]>(names.map((name) => [name, []]));
    const captured = new Map<System, Replayed>();
    const timed = async (run: () => Tensor | Tensor[], backend: Gpu['backend']): Promise<number> => {
      const once = (): void => {
        dispose(run());
        flush(backend);
      };
      // Not timed: it finds the pool full of the other's gigabytes, which this package has the backend let go, 20 ms for each.
      once();
      await finish(gpu);
      const start = performance.now();
      for (let run = 0; run < RUNS; run++) once();
      await finish(gpu);
      return (performance.now() - start) / RUNS;
    };
    const stockTimes: number[] = [];
    // Weights and inputs of its own: tensors stay on the backend where they were made.
    const original = withStock
      ? await onForgetful(gpu, async () => ({model: loadGraphModelSync({load: () => this.artifacts}), given: this.inputs(n)}))
      : undefined;
    for (let round = 0; round < rounds; round++) {
      if (original !== undefined) {
        stockTimes.push(await onForgetful(gpu, (backend) => timed(() => original.model.execute(original.given), backend)));
      }
      for (const name of names) times.get(name)!.push(await timed(() => this.loaded[name].execute(inputs), gpu.backend));
    }
    // Not in turns with the others: what a capture holds would count among their memory.
    for (const name of this.part === 'model' ? names : []) {
      const start = performance.now();
      const replay = await capture((given: Inputs) => this.loaded[name].execute(given), inputs);
      const captureMs = performance.now() - start;
      const {dispatches} = replay;
      const [each, issued]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        each.push(await timed(() => replay.run(inputs), gpu.backend));
        const begin = performance.now();
        dispose(replay.run(inputs));
        issued.push((1000 * (performance.now() - begin)) / dispatches);
      }
      await finish(gpu);
      captured.set(name, {ms: median(each), cost: {captureMs, dispatches, dispatchUs: median(issued)}});
      replay.dispose();
    }
    original?.model.dispose();
    if (original !== undefined) dispose(original.given);
    const medians = (all: ReadonlyMap<System, number[]>): ReadonlyMap<System, number> =>
      new Map([...all].map(([name, each]) => [name, median(each)]));
    return {walls: medians(times), stock: withStock ? median(stockTimes) : undefined, captured};
  }

  private inputs(n: number): Inputs {
    const {bench, graph, part} = this;
    return part === 'model' ? encoderInputs(bench.sizes, n) : attentionInputs(graph, bench.sizes, n);
  }

  private async once(model: Model, inputs: Inputs): Promise<void> {
    dispose(model.execute(inputs));
    await finish(this.bench.gpu);
  }

  private enqueue(model: Model, inputs: Inputs, count: number): void {
    for (let i = 0; i < count; i++) {
      dispose(model.execute(inputs));
      // TensorFlow.js would hold the intermediates of all calls until it submits.
      if (this.part === 'model') flush(this.bench.gpu.backend);
    }
  }

  /** Largest |swapped with full() − original| over the output, as a share of the largest |output|. NaN counts as infinite. */
  private async difference(inputs: Inputs): Promise<number> {
    const read = async (model: Model): Promise<Float32Array> => {
      const output = [model.execute(inputs)].flat();
      const first = output.find(({rank}) => rank > 2) as Tensor;
      const values = (await first.data()) as Float32Array;
      dispose(output);
      return values;
    };
    const [before, after] = [await read(this.loaded.original), await read(this.loaded.full)];
    let [most, largest] = [0, 0];
    for (let i = 0; i < before.length; i++) {
      const apart = Math.abs(before[i]! - after[i]!);
      most = Number.isNaN(apart) ? Infinity : Math.max(most, apart);
      largest = Math.max(largest, Math.abs(after[i]!));
    }
    return most / largest;
  }
}

type System = 'original' | 'swapped' | 'full' | 'longformer';

/** Milliseconds of a replay, and what it costs the CPU. */
interface Replayed {
  readonly ms: number;
  readonly cost: ReplayCost;
}
