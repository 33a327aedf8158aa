import {readFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import {blockMaskOf} from '../../src/index.js';
import {BlockSparseDense, type BlockSparseDenseArgs} from '../../src/layers/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {refusal} from '../support/errors.js';

const [INPUTS, UNITS] = [20, 28];
/** 3 × 4 blocks of 8, ragged at both ends. */
const MASK = [
  [1, 0, 0, 1],
  [0, 1, 0, 0],
  [0, 0, 0, 1],
];
const isKept = (row: number, column: number): boolean => MASK[row >> 3]![column >> 3] === 1;

const layerOf = (more: Partial<BlockSparseDenseArgs> = {}): BlockSparseDense =>
  new BlockSparseDense({units: UNITS, blockSize: 8, mask: MASK, ...more});

function modelOf(layer: tf.layers.Layer, shape: number[] = [INPUTS]): tf.Sequential {
  return tf.sequential({layers: [tf.layers.inputLayer({inputShape: shape}), layer]});
}

function randomOf(shape: number[], seed: number): tf.Tensor {
  const random = mulberry32(seed);
  return tf.tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b, 1)}, () => 2 * random() - 1),
    shape,
  );
}

const masked = (values: ArrayLike<number>): Float32Array =>
  Float32Array.from(values, (value, at) => (isKept(Math.floor(at / UNITS), at % UNITS) ? value : 0));

describe('BlockSparseDense', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('is Dense with a masked kernel, whatever that holds elsewhere', async () => {
    for (const shape of [[INPUTS], [5, INPUTS], [2, 3, INPUTS]]) {
      const layer = layerOf({activation: 'tanh'});
      const model = modelOf(layer, shape);
      const dense = modelOf(tf.layers.dense({units: UNITS, activation: 'tanh'}), shape);
      const [kernel, bias] = [randomOf([INPUTS, UNITS], 1), randomOf([UNITS], 2)];
      const kept = masked(kernel.dataSync());
      const poisoned = kept.map((value, at) => (isKept(Math.floor(at / UNITS), at % UNITS) ? value : NaN));
      layer.setWeights([tf.tensor(poisoned, [INPUTS, UNITS]), bias]);
      dense.setWeights([tf.tensor(kept, [INPUTS, UNITS]), bias]);
      const x = randomOf([4, ...shape], 3);
      const [found, expected] = [model.predict(x) as tf.Tensor, dense.predict(x) as tf.Tensor];
      expect(found.shape).toEqual(expected.shape);
      expectWithin(await found.data(), await expected.data(), 1e-6);
    }
  });

  it('begins with zeros where no block is, and keeps its config, weights and numbers through a file', async () => {
    const given: BlockSparseDenseArgs = {
      units: UNITS,
      blockSize: [8, 8],
      mask: MASK.flat(),
      kernelRegularizer: 'l1l2',
      useBias: false,
    };
    const model = modelOf(new BlockSparseDense({...given, activation: 'relu'}));
    const [kernel] = model.layers[1]!.getWeights();
    expect([...(await blockMaskOf(kernel!, 8))]).toEqual(MASK.flat());
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler((artifacts) => {
        saved = JSON.parse(JSON.stringify({...artifacts, weightData: undefined})) as tf.io.ModelArtifacts;
        saved.weightData = artifacts.weightData!;
        return Promise.resolve({modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}});
      }),
    );
    const again = await tf.loadLayersModel(tf.io.fromMemory(saved!));
    const layer = again.layers.at(-1) as BlockSparseDense;
    expect(layer).toBeInstanceOf(BlockSparseDense);
    expect(layer.mask).toEqual({rows: 3, offsets: [0, 2, 3, 4], columns: [0, 3, 1, 3]});
    expect(layer.getConfig()).toEqual(model.layers.at(-1)!.getConfig());
    const x = randomOf([3, INPUTS], 4);
    expectWithin(await (again.predict(x) as tf.Tensor).data(), await (model.predict(x) as tf.Tensor).data(), 0);
  });

  it('trains as Dense does, and only where blocks are', async () => {
    const layer = layerOf();
    const model = modelOf(layer);
    const x = randomOf([32, INPUTS], 5);
    const target = tf.matMul(x as tf.Tensor2D, tf.tensor2d(masked(randomOf([INPUTS, UNITS], 6).dataSync()), [INPUTS, UNITS]));
    model.compile({optimizer: tf.train.adam(0.05), loss: 'meanSquaredError'});
    const {history} = await model.fit(x, target, {epochs: 60, batchSize: 32, verbose: 0});
    expect(history['loss']!.at(-1) as number).toBeLessThan(0.02 * (history['loss']![0] as number));
    expect([...(await blockMaskOf(layer.getWeights()[0]!, 8))]).toEqual(MASK.flat());
  });

  it('without a mask is Dense', async () => {
    const [layer, dense] = [layerOf({mask: null}), tf.layers.dense({units: UNITS})];
    const [own, other] = [modelOf(layer), modelOf(dense)];
    dense.setWeights(layer.getWeights());
    const x = randomOf([3, INPUTS], 7);
    expectWithin(await (own.predict(x) as tf.Tensor).data(), await (other.predict(x) as tf.Tensor).data(), 1e-6);
    expect(layer.getConfig()['mask']).toBeNull();
  });

  it('has an example that runs', () => {
    const source = readFileSync('src/layers/block_sparse_dense.ts', 'utf8');
    const code = /@example\n([\s\S]*?) \*\//.exec(source)![1]!.replace(/^ \* ?/gm, '');
    expect(code).toContain('// [null, 64]');
    const model = new Function('tf', 'BlockSparseDense', `${code}\nreturn model;`)(tf, BlockSparseDense) as tf.Sequential;
    expect(model.outputs[0]!.shape).toEqual([null, 64]);
  });

  it('refuses what it cannot be', () => {
    const wrong: [object, string][] = [
      [{units: 0}, 'BlockSparseDense.units: found 0, expected a positive whole number'],
      [{blockSize: 7}, 'BlockSparseDense.blockSize: found 7, expected a multiple of 4 from 8 to 128'],
      [{blockSize: [8, 8, 8]}, 'BlockSparseDense.blockSize: found [8, 8, 8]'],
      [{blockSize: null}, 'BlockSparseDense.blockSize: found nothing'],
      [{mask: [[1, 0, 1]]}, 'BlockSparseDense.mask: found rows of 3 entries, 1 of them, expected 1 rows of 4 blocks'],
      [{mask: [1, 0, 1]}, 'BlockSparseDense.mask: found 3 entries, expected 4'],
      [{mask: [[1, 0, 2, 0]]}, 'BlockSparseDense.mask: found 2 at entry 2, expected 0 or 1'],
      [{mask: {rows: 1, offsets: [0, 1], columns: [4]}}, 'BlockSparseDense.mask.columns: found 4'],
      [{mask: tf.ones([3, 4], 'bool')}, 'BlockSparseDense.mask: found a tensor'],
      [{mask: 'all'}, "BlockSparseDense.mask: found the text 'all'"],
      [{activityRegularizer: 'l2'}, 'BlockSparseDense.activityRegularizer'],
      [{block_size: 8}, "Did you mean 'blockSize'?"],
      [{useBias: 1}, 'BlockSparseDense.useBias: found 1'],
    ];
    for (const [more, text] of wrong) expect(refusal(() => layerOf(more)).message).toContain(text);
    const few = layerOf({mask: [[1, 0, 0, 1]], name: 'few'});
    expect(refusal(() => modelOf(few)).message).toBe(
      'mask of few: found 1 rows of blocks, expected 3. Its inputs are 20 numbers, 3 rows of blocks; check blockSize.',
    );
    const layer = layerOf({name: 'wide'});
    expect(refusal(() => layer.apply([tf.input({shape: [4]}), tf.input({shape: [4]})])).message).toContain(
      'inputs of wide: found 2 of them, expected one tensor',
    );
  });
});
