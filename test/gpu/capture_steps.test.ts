import '@tensorflow/tfjs'; // registers gradients
import * as tf from '@tensorflow/tfjs-core';
import {byteModelConfig} from '../../demo/language_model/config.js';
import {causal, globalTokens, parsePattern, perHead, prefix} from '../../src/index.js';
import {CAUSAL_PATTERNS, window} from '../support/kv_cases.js';
import {poisoned} from '../support/kv_device.js';
import {Twins, type StepSetting} from '../support/kv_twins.js';

const SINKS = prefix(2).or(window(5)).and(causal());

/** Prompt, capture, so many steps. */
async function expectSteps(setting: StepSetting, prompt: number, count: number): Promise<void> {
  const twins = new Twins(setting);
  await twins.attend(prompt);
  await twins.capture();
  await twins.steps(count);
  twins.dispose();
}

describe('captured steps of a KvCache give the bits of plain ones', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const [name, pattern] of CAUSAL_PATTERNS)
    it(`for ${name}`, () => poisoned(() => expectSteps({pattern, cache: {maxLength: 80, maxStep: 2}}, 21, 40)));

  it('for the patterns of the language model, with ALiBi', async () => {
    const {layers, heads, width} = byteModelConfig('sparse');
    for (const {pattern, alibiSlopes} of layers.slice(0, 2)) {
      const cache = {batch: 1, keyHeads: heads, headDim: width / heads, valueDim: width / heads, maxLength: 2000};
      const setting = {pattern: parsePattern(pattern), cache, options: {alibiSlopes: [...alibiSlopes]}};
      const twins = new Twins(setting);
      await twins.attend(250);
      await twins.capture();
      // Over the edge of the window.
      await twins.steps(9);
      twins.dispose();
    }
  });

  it('for a ring that wraps many times', async () => {
    const cache = {maxStep: 1};
    for (const pattern of [window(5), SINKS]) {
      const twins = new Twins({pattern, cache});
      expect(twins.captured.capacity).toBeLessThan(9);
      await twins.attend(3);
      await twins.capture();
      await twins.steps(30);
      twins.dispose();
    }
  });

  const settings: Readonly<Record<string, () => StepSetting>> = {
    'scores with everything, heads that share keys': () => ({
      pattern: SINKS,
      heads: 6,
      options: {scale: 0.4, softcap: 1.5, alibiSlopes: [0.5, 0.25, 0.125, 0.1, 0, 1], sinks: [1, -1, 0.5, 0, 2, -Infinity]},
    }),
    'float16 storage': () => ({pattern: SINKS, cache: {precision: 'float16'}}),
    'float16 storage of a ring without end': () => ({pattern: causal(), cache: {precision: 'float16', maxLength: 60}}),
    'a bias by distance': () => ({
      pattern: SINKS,
      heads: 4,
      options: {relativeBias: tf.randomUniform([4, 199], -1, 1, 'float32', 7)},
    }),
    'a bias by distance that heads share': () => ({
      pattern: SINKS,
      options: {relativeBias: tf.randomUniform([1, 199], -1, 1, 'float32', 8)},
    }),
    'a bias that is an input': () => ({
      pattern: SINKS,
      heads: 4,
      more: (round) => ({bias: tf.randomUniform([1, 4, 1, 60], -1, 1, 'float32', round)}),
      optionsOf: ({bias}) => (bias === undefined ? {} : {bias}),
    }),
    'a bias of one column': () => ({pattern: SINKS, options: {bias: [[[[0.5]]]]}}),
    'several tokens a step, heads after tokens': () => ({pattern: SINKS, heads: 4, tokens: 3, options: {layout: 'blhd'}}),
    'more tokens than are appended at a time': () => ({pattern: SINKS, tokens: 7, cache: {maxStep: 3}}),
    'padding: sequences that bring fewer tokens': () => ({pattern: SINKS, tokens: 3, options: {lengths: [3, 1]}}),
    'a pattern of each head': () => ({pattern: perHead([window(3), causal()]), cache: {maxLength: 60}}),
    'rows of too many runs': () => ({
      pattern: globalTokens(Array.from({length: 30}, (_, i) => 2 * i))
        .or(window(6))
        .and(causal()),
      cache: {maxLength: 90},
    }),
    'no tokens at all': () => ({pattern: SINKS, tokens: 0}),
    'outputs in the memory of the capture': () => ({pattern: SINKS, capture: {outputs: 'alias'}}),
  };
  for (const [name, setting] of Object.entries(settings))
    it(`for ${name}`, () =>
      poisoned(async () => {
        const given = setting();
        const twins = new Twins(given);
        // What prompts cost is the compilation of their kernels.
        const {layout} = given.options ?? {};
        await twins.attend(20, [20, 13], {layout});
        await twins.capture();
        await twins.steps(given.tokens === 7 ? 3 : 6);
        twins.dispose();
      }));
});
