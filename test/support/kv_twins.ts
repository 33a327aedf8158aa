// Two caches of which one goes on by a replay and the other by plain steps: whatever happens to both, they give the same bits.
import * as tf from '@tensorflow/tfjs-core';
import {capture, KvCache, type CaptureOptions, type Pattern, type Replay} from '../../src/index.js';
import type {KvAttendOptions, KvCacheOptions} from '../../src/runtime/kv/kv_options.js';
import {outputsOf} from './captures.js';

export interface StepSetting {
  readonly pattern: Pattern;
  /** Default: two sequences of two key heads, 6 features of keys and 4 of values. */
  readonly cache?: Partial<KvCacheOptions>;
  /** Of queries. Default 2. */
  readonly heads?: number;
  /** Of a captured step. Default 1. */
  readonly tokens?: number;
  readonly options?: KvAttendOptions;
  /** Further inputs of the function, which options are made of. */
  readonly more?: (round: number) => tf.NamedTensorMap;
  readonly optionsOf?: (inputs: tf.NamedTensorMap) => KvAttendOptions;
  readonly capture?: CaptureOptions;
}

type Step = Replay<tf.NamedTensorMap, tf.Tensor>;

/** Inputs differ from round to round, and are the same for both. */
export class Twins {
  readonly setting: StepSetting;
  readonly captured: KvCache;
  readonly plain: KvCache;
  replay: Step | null = null;
  round = 0;

  constructor(setting: StepSetting, caches?: readonly [captured: KvCache, plain: KvCache]) {
    this.setting = setting;
    const make = (): KvCache => new KvCache(setting.pattern, this.#options);
    [this.captured, this.plain] = caches ?? [make(), make()];
  }

  get #options(): KvCacheOptions {
    return {batch: 2, keyHeads: 2, headDim: 6, valueDim: 4, ...this.setting.cache};
  }

  inputs(tokens = this.setting.tokens ?? 1): tf.NamedTensorMap {
    const {batch, keyHeads, headDim, valueDim} = this.#options;
    const {heads = keyHeads, options, more} = this.setting;
    const seed = 4 * ++this.round;
    const random = (heads: number, dim: number, i: number): tf.Tensor => {
      const shape = options?.layout === 'blhd' ? [batch!, tokens, heads, dim] : [batch!, heads, tokens, dim];
      return tf.randomUniform(shape, -1, 1, 'float32', seed + i);
    };
    return {
      ...{query: random(heads, headDim, 0), key: random(keyHeads, headDim, 1), value: random(keyHeads, valueDim ?? headDim, 2)},
      ...more?.(this.round),
    };
  }

  /** A step between ops, as in a model. */
  run(
    cache: KvCache,
    {query, key, value, ...more}: tf.NamedTensorMap,
    {lengths, ...other} = this.setting.options ?? {},
  ): tf.Tensor {
    const options = {...other, ...this.setting.optionsOf?.(more), ...(lengths && {lengths})};
    return tf.mul(cache.attend(tf.mul(query!, 2) as tf.Tensor4D, key as tf.Tensor4D, value as tf.Tensor4D, options), 0.5);
  }

  both(act: (cache: KvCache) => void): void {
    act(this.captured);
    act(this.plain);
  }

  /** Both, or neither where that would be too far. */
  rollback(tokens: number): void {
    const said = [this.captured, this.plain].map((cache) => {
      try {
        cache.rollback(tokens);
        return null;
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(said[0]).toBe(said[1]!);
  }

  /** Both by plain calls. */
  async attend(tokens: number, lengths?: readonly number[], options: KvAttendOptions = this.setting.options ?? {}): Promise<void> {
    const inputs = this.inputs(tokens);
    const {lengths: _, ...given} = options;
    const outputs = [this.captured, this.plain].map((cache) => this.run(cache, inputs, {...given, ...(lengths && {lengths})}));
    await this.#expectSame(outputs[0]!, outputs[1]!, `after ${tokens} plain tokens`);
    tf.dispose([outputs, inputs]);
  }

  async capture(): Promise<Step> {
    const inputs = this.inputs();
    const {lengths} = this.captured;
    this.replay?.dispose();
    this.replay = await capture((given: tf.NamedTensorMap) => this.run(this.captured, given), inputs, this.setting.capture);
    expect(this.captured.lengths).toEqual(lengths);
    tf.dispose(inputs);
    return this.replay;
  }

  /** One by a replay, the other by a plain call; `around` calls both. */
  async step(around: <T>(step: () => T) => T = (step) => step()): Promise<void> {
    const inputs = this.inputs();
    const wanted = around(() => this.run(this.plain, inputs));
    const found = around(() => this.replay!.run(inputs));
    await this.#expectSame(found, wanted, `round ${this.round}`);
    tf.dispose([wanted, found, inputs]);
  }

  async steps(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.step();
  }

  async #expectSame(found: tf.Tensor, wanted: tf.Tensor, what: string): Promise<void> {
    expect(await outputsOf(found))
      .withContext(`${String(this.setting.pattern)}, ${what}`)
      .toEqual(await outputsOf(wanted));
    expect(this.captured.lengths).toEqual(this.plain.lengths);
  }

  /** The most tokens that each can take back, which says what it still holds. */
  expectSameRollback(): void {
    const most = [this.captured, this.plain].map((cache) => {
      for (let count = Math.min(...cache.lengths); count > 0; count--) {
        const fork = cache.fork();
        try {
          fork.rollback(count);
          return count;
        } catch {
          // One less, perhaps.
        } finally {
          fork.dispose();
        }
      }
      return 0;
    });
    expect(most[0]).toBe(most[1]!);
  }

  dispose(): void {
    this.replay?.dispose();
    this.both((cache) => cache.dispose());
  }
}
