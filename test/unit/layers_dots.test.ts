import * as tf from '@tensorflow/tfjs';
import {MultiHeadAttention, replaceAttention} from '../../src/layers/index.js';
import {causal, full, slidingWindow, type Pattern} from '../../src/pattern/index.js';
import {tensorOf, tokens} from '../support/keras_attention.js';
import {refusal} from '../support/errors.js';

type Symbolic = tf.SymbolicTensor;

const on = (layer: tf.layers.Layer, ...inputs: Symbolic[]): Symbolic =>
  layer.apply(inputs.length > 1 ? inputs : inputs[0]!) as Symbolic;
const dot = (axes: number | [number, number], more: object = {}): tf.layers.Layer => tf.layers.dot({axes, ...more} as never);
const softmax = (): tf.layers.Layer => tf.layers.activation({activation: 'softmax'});
const [LENGTH, KEYS, DIM, VALUE_DIM] = [6, 5, 4, 3];

/** Query, key and value as inputs; `build` makes the output of them. */
function modelOf(build: (query: Symbolic, key: Symbolic, value: Symbolic) => Symbolic | Symbolic[], keys = KEYS): tf.LayersModel {
  const inputs = [tf.input({shape: [LENGTH, DIM]}), tf.input({shape: [keys, DIM]}), tf.input({shape: [keys, VALUE_DIM]})] as const;
  return tf.model({inputs: [...inputs], outputs: build(...inputs)});
}

const feed = (keys = KEYS, batch = 2): tf.Tensor[] => [
  tensorOf(tokens([batch, LENGTH, DIM], 1)),
  tensorOf(tokens([batch, keys, DIM], 2)),
  tensorOf(tokens([batch, keys, VALUE_DIM], 3)),
];

const outputOf = (model: tf.LayersModel, inputs: tf.Tensor[]): tf.Tensor => [model.predict(inputs) as tf.Tensor].flat()[0]!;

function expectClose(found: tf.Tensor, expected: tf.Tensor): void {
  expect(found.shape).toEqual(expected.shape);
  const [a, b] = [found.dataSync<'float32'>(), expected.dataSync<'float32'>()];
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest).toBeGreaterThan(0.01);
  expect(a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)).toBeLessThanOrEqual(1e-5 * largest);
}

/** Additive: 0 where a pattern allows, −1e9 elsewhere. */
const hiding = (pattern: Pattern, keys = KEYS): tf.Tensor =>
  tf.tensor(
    Array.from({length: LENGTH * keys}, (_, i) =>
      pattern.attends(Math.floor(i / keys), i % keys, {queryLength: LENGTH, keyLength: keys}) ? 0 : -1e9,
    ),
    [1, LENGTH, keys],
  );

/** No row is empty: what a softmax makes of one is not what a pattern makes. */
const WINDOW = slidingWindow({left: 2, right: 1});

interface Stack {
  readonly title: string;
  readonly build: (query: Symbolic, key: Symbolic, value: Symbolic, mask?: (scores: Symbolic) => Symbolic) => Symbolic;
}

const asIs = (scores: Symbolic): Symbolic => scores;

const STACKS: readonly Stack[] = [
  {
    title: 'an activation',
    build: (q, k, v, mask = asIs) => on(dot([2, 1]), on(softmax(), mask(on(dot([2, 2]), q, k))), v),
  },
  {
    title: 'a Softmax layer',
    build: (q, k, v, mask = asIs) => on(dot([2, 1]), on(tf.layers.softmax({axis: -1}), mask(on(dot(2), q, k))), v),
  },
  {
    title: 'negative axes',
    build: (q, k, v, mask = asIs) => on(dot([-1, -2]), on(tf.layers.softmax({axis: 2}), mask(on(dot(-1), q, k))), v),
  },
  {
    title: 'cosines, which a rescaling sharpens',
    build: (q, k, v, mask = asIs) => {
      const cosines = on(dot([2, 2], {normalize: true}), q, k);
      return on(dot([2, 1]), on(softmax(), mask(on(tf.layers.rescaling({scale: 7, offset: -3}), cosines))), v);
    },
  },
  {
    title: 'turned keys, turned values and a turned output',
    build: (q, k, v, mask = asIs) => {
      const turn = (x: Symbolic): Symbolic => on(tf.layers.permute({dims: [2, 1]}), x);
      return turn(on(dot([2, 2]), turn(v), on(softmax(), mask(on(dot([2, 1]), q, turn(k))))));
    },
  },
  {
    title: 'a turned query, nothing, and dropout',
    build: (q, k, v, mask = asIs) => {
      const scores = on(dot([1, 2]), on(tf.layers.permute({dims: [2, 1]}), q), k);
      const probabilities = on(softmax(), mask(on(tf.layers.activation({activation: 'linear'}), scores)));
      return on(dot([2, 1]), on(tf.layers.dropout({rate: 0.4}), probabilities), v);
    },
  },
];

describe('replaceAttention of stock layers', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  for (const {title, build} of STACKS) {
    it(`puts one layer in place of two dots around ${title}`, () => {
      const model = modelOf((q, k, v) => build(q, k, v));
      const mask = tf.input({shape: [LENGTH, KEYS]});
      const inputs = feed();
      const before = outputOf(model, inputs);
      const {replaced, left} = replaceAttention(model, full());
      expect(left).toEqual([]);
      expect(replaced.map(({from, to}) => [String(from), String(to)])).toEqual([['full()', 'full()']]);
      expect(model.layers.some((layer) => layer.getClassName() === 'Dot')).toBeFalse();
      expectClose(outputOf(model, inputs), before);

      // The same stack with the window as a mask of its own.
      const [q, k, v] = [tf.input({shape: [LENGTH, DIM]}), tf.input({shape: [KEYS, DIM]}), tf.input({shape: [KEYS, VALUE_DIM]})];
      const masked = tf.model({inputs: [q, k, v, mask], outputs: build(q, k, v, (scores) => on(tf.layers.add(), mask, scores))});
      const withMask = [...inputs, tf.tile(hiding(WINDOW), [2, 1, 1])];
      const expected = outputOf(masked, withMask);
      replaceAttention(model, WINDOW);
      expectClose(outputOf(model, inputs), expected);
      // An added mask stays one.
      expect(replaceAttention(masked, full()).left).toEqual([]);
      expect(
        masked.layers.some((layer) => /Dot|Add/.test(layer.getClassName()) && layer.getClassName() !== 'SplatDotAttention'),
      ).toBeFalse();
      expectClose(outputOf(masked, withMask), expected);
    });
  }

  /** Two blocks of x + attention(x), with weights before, between and behind, and an attention layer in front. */
  function trained(patterns?: readonly Pattern[]): tf.LayersModel {
    const input = tf.input({shape: [LENGTH, DIM]});
    const dense = (name: string): tf.layers.Layer =>
      tf.layers.dense({units: DIM, name, kernelInitializer: tf.initializers.glorotUniform({seed: name.length})});
    const block = (x: Symbolic, name: string, pattern: Pattern | undefined): Symbolic => {
      const scores = on(dot([2, 2], {name: `${name}_scores`}), on(dense(`${name}_query`), x), x);
      const shown = pattern === undefined ? scores : on(tf.layers.add({name: `${name}_add`}), scores, hidden(pattern, x, name));
      return on(tf.layers.add({name: `${name}_sum`}), x, on(dot([2, 1], {name}), on(softmax(), shown), x));
    };
    // A mask that is the same for every input: 0 · x + mask.
    const hidden = (pattern: Pattern, x: Symbolic, name: string): Symbolic => {
      const zeros = on(
        tf.layers.dense({units: LENGTH, useBias: false, kernelInitializer: 'zeros', trainable: false, name: `${name}_zeros`}),
        x,
      );
      return on(new Constant({values: hiding(pattern, LENGTH), name: `${name}_mask`}), zeros);
    };
    const first = on(
      new MultiHeadAttention({numHeads: 1, keyDim: 2, name: 'first', kernelInitializer: tf.initializers.glorotUniform({seed: 3})}),
      input,
    );
    const second = block(first, 'second', patterns?.[0]);
    const output = on(
      tf.layers.dense({units: 1, name: 'out', kernelInitializer: tf.initializers.glorotUniform({seed: 5})}),
      block(second, 'third', patterns?.[1]),
    );
    const model = tf.model({inputs: input, outputs: output, name: 'trained'});
    model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
    return model;
  }

  /** x plus a constant. */
  class Constant extends tf.layers.Layer {
    static readonly className = 'Constant';
    constructor(private readonly args: {values: tf.Tensor; name: string}) {
      super({name: args.name});
    }
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      return tf.add([inputs].flat()[0]!, this.args.values);
    }
  }

  it('keeps weights and compiled state: training, saving and loading go on', async () => {
    const [WIDE, NARROW] = [WINDOW, slidingWindow({left: 1})];
    const [model, written] = [trained(), trained([WIDE, NARROW])];
    const [x, y] = [tensorOf(tokens([3, LENGTH, DIM], 1)), tensorOf(tokens([3, LENGTH, 1], 2))];
    outputOf(model, [x]);
    const report = replaceAttention(model, [full(), WIDE, String(NARROW)]);
    expect(report.replaced.map(({name, to}) => [name, String(to)])).toEqual([
      ['first', 'full()'],
      ['second', String(WIDE)],
      ['third', String(NARROW)],
    ]);
    expect(model.getLayer('third').getClassName()).toBe('SplatDotAttention');
    expectClose(outputOf(model, [x]), outputOf(written, [x]));
    for (const each of [model, written]) await each.fit(x, y, {epochs: 3, batchSize: 3, shuffle: false, verbose: 0});
    const expected = outputOf(written, [x]);
    expectClose(outputOf(model, [x]), expected);

    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler((artifacts) => {
        saved = artifacts;
        return Promise.resolve({modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}});
      }),
    );
    const again = await tf.loadLayersModel(tf.io.fromMemory(saved!));
    expectClose(outputOf(again, [x]), expected);
    expect(replaceAttention(again, full()).replaced.map(({from}) => String(from))).toEqual([
      'full()',
      String(WIDE),
      String(NARROW),
    ]);
    const lines: string[] = [];
    again.summary(100, undefined, (line: string) => lines.push(line));
    expect(lines.join()).toContain('third (SplatDotAtt');

    const count = tf.memory().numTensors;
    outputOf(again, [x]).dispose();
    expect(tf.memory().numTensors).toBe(count);
  });

  it('takes one tensor for query, key and value, in models inside of models', () => {
    const tokenInput = tf.input({shape: [LENGTH, DIM]});
    const inner = tf.model({
      inputs: tokenInput,
      outputs: on(dot([2, 1]), on(softmax(), on(dot([2, 2]), tokenInput, tokenInput)), tokenInput),
    });
    const input = tf.input({shape: [LENGTH, DIM]});
    const once = on(inner, input);
    const model = tf.model({inputs: input, outputs: on(tf.layers.add(), on(inner, once), input)});
    const x = tensorOf(tokens([2, LENGTH, DIM], 1));
    const before = outputOf(model, [x]);
    expect(replaceAttention(model, full()).replaced.length).toBe(1);
    expectClose(outputOf(model, [x]), before);
    replaceAttention(model, slidingWindow());
    // Each token attends to itself alone.
    expectClose(outputOf(model, [x]), tf.mul(x, 2));
  });

  it('leaves another use of its layers as it is', () => {
    const [first, last] = [dot([2, 2]), dot([2, 1], {name: 'last'})];
    const model = modelOf((q, k, v) => {
      const attended = on(last, on(softmax(), on(first, q, k)), v);
      return [attended, on(last, on(tf.layers.activation({activation: 'relu'}), on(first, q, k)), v)];
    });
    const inputs = feed();
    const before = model.predict(inputs) as tf.Tensor[];
    expect(replaceAttention(model, full()).replaced.map(({name}) => name)).toEqual(['last_attention']);
    const after = model.predict(inputs) as tf.Tensor[];
    after.forEach((output, i) => expectClose(output, before[i]!));
  });

  it('names what it leaves, with a reason that is true, and computes on', () => {
    const scores = (q: Symbolic, k: Symbolic): Symbolic => on(dot([2, 2], {name: 'scores'}), q, k);
    const last = (p: Symbolic, v: Symbolic): Symbolic => on(dot([2, 1], {name: 'last'}), p, v);
    const probs = tf.layers.activation.bind(tf.layers);
    const named = (): tf.layers.Layer => probs({activation: 'softmax', name: 'probs'});
    const cases: readonly [RegExp, (q: Symbolic, k: Symbolic, v: Symbolic) => Symbolic | Symbolic[]][] = [
      [
        /probabilities are an output of the model/,
        (q, k, v) => {
          const p = on(named(), scores(q, k));
          return [last(p, v), p];
        },
      ],
      [
        /scores are read by 'flat' and 'probs'; a swap/,
        (q, k, v) => {
          const s = scores(q, k);
          return [last(on(named(), s), v), on(tf.layers.flatten({name: 'flat'}), s)];
        },
      ],
      [
        /the Activation 'bent' stands between its first dot/,
        (q, k, v) => last(on(named(), on(probs({activation: 'tanh', name: 'bent'}), scores(q, k))), v),
      ],
      [
        /the ReLU 'cut' stands between the softmax/,
        (q, k, v) => last(on(tf.layers.reLU({name: 'cut'}), on(named(), scores(q, k))), v),
      ],
      [
        /'both' adds two products/,
        (q, k, v) => last(on(named(), on(tf.layers.add({name: 'both'}), scores(q, k), on(dot([2, 2]), q, k))), v),
      ],
      [
        /'last' normalises the probabilities/,
        (q, k, v) => on(dot([2, 1], {name: 'last', normalize: true}), on(named(), scores(q, k)), v),
      ],
    ];
    for (const [reason, build] of cases) {
      const model = modelOf(build);
      const inputs = feed();
      const before = ([model.predict(inputs)].flat() as tf.Tensor[]).map((output) => Array.from(output.dataSync()));
      const {replaced, left} = replaceAttention(model, causal());
      expect(replaced).toEqual([]);
      expect(left).toEqual([{name: 'probs', className: 'Activation', reason: jasmine.stringMatching(reason) as never}]);
      expect(([model.predict(inputs)].flat() as tf.Tensor[]).map((output) => Array.from(output.dataSync()))).toEqual(before);
    }
  });

  it('leaves a single query, an axis that is not the last, and masks that reach a Softmax layer', () => {
    const [q, k] = [tf.input({shape: [DIM]}), tf.input({shape: [KEYS, DIM]})];
    const pooled = tf.model({inputs: [q, k], outputs: on(dot([1, 1]), on(softmax(), on(dot([1, 2]), q, k)), k)});
    expect(replaceAttention(pooled, full()).left[0]!.reason).toContain('shape [null, 5]: one query');
    const first = modelOf((query, key, value) => on(dot([2, 1]), on(tf.layers.softmax(), on(dot(2), query, key)), value));
    expect(replaceAttention(first, full()).left[0]!.reason).toBe('its softmax has the axis 1, not the last one');
    const x = tf.input({shape: [LENGTH, DIM]});
    const masked = on(tf.layers.masking({name: 'hole'}), x);
    const stack = (layer: tf.layers.Layer): tf.LayersModel =>
      tf.model({inputs: x, outputs: on(dot([2, 1]), on(layer, on(dot([2, 2]), masked, masked)), masked)});
    expect(replaceAttention(stack(tf.layers.softmax({axis: -1})), full()).left[0]!.reason).toContain("mask of 'hole'");
    expect(replaceAttention(stack(softmax()), full()).replaced.length).toBe(1);
  });

  it('says nothing of a softmax that is no attention', () => {
    const model = modelOf((q, k, v) => [
      on(dot([2, 1]), on(dot([2, 2]), q, k), v),
      on(tf.layers.dense({units: 3, activation: 'softmax'}), q),
      on(softmax(), on(tf.layers.dense({units: 3}), k)),
    ]);
    expect(refusal(() => replaceAttention(model, full())).found).toContain('a model without attention');
  });

  it('changes nothing when the patterns do not fit', () => {
    const model = modelOf((q, k, v) => STACKS[0]!.build(q, k, v));
    expect(refusal(() => replaceAttention(model, [])).expected).toContain('1, one for each attention layer');
    refusal(() => replaceAttention(model, 'slidingWindo(left: 1)'));
    expect(model.layers.filter((layer) => layer.getClassName() === 'Dot').length).toBe(2);
  });

  it('drops probabilities in training alone', () => {
    const model = modelOf((q, k, v) => STACKS.at(-1)!.build(q, k, v));
    replaceAttention(model, full());
    const layer = model.layers.at(-1)!;
    const [q, k, v] = feed();
    const inputs = [tf.transpose(q!, [0, 2, 1]), k!, v!];
    const values = (training: boolean): number[] => Array.from((layer.apply(inputs, {training}) as tf.Tensor).dataSync());
    expect(values(false)).toEqual(values(false));
    const [kept, dropped] = [values(false), values(true)];
    expect(dropped.some((value, i) => Math.abs(value - kept[i]!) > 1e-3)).toBeTrue();
  });

  it('refuses a model.json that was changed by hand', () => {
    const model = modelOf((q, k, v) => STACKS[0]!.build(q, k, v));
    replaceAttention(model, full());
    const layer = model.layers.at(-1)!;
    const config = layer.getConfig();
    const make = layer.constructor as new (config: object) => tf.layers.Layer;
    expect(new make({...config, name: 'again'}).getConfig()).toEqual({...config, name: 'again'});
    const changes = [
      ...[{inputs: null}, {inputs: {query: 0, key: 9, value: 1}}, {inputs: {query: 'q', key: 0, value: 0}}],
      ...[
        {axes: 'ld'},
        {axes: {query: 'ld'}},
        {scale: 'half'},
        {scale: null},
        {biasScale: Infinity},
        {normalize: 1},
        {dropout: 1},
        {pattern: 'causl()'},
      ],
    ];
    for (const change of changes) refusal(() => new make({...config, ...change}));
    expect(refusal(() => layer.apply(feed()[0]!)).message).toContain('found 1 tensors, expected 3');
  });
});
