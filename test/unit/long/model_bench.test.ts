import {largestTensor} from '../../../bench/model_graphs.js';
import type {ModelRecord} from '../../../bench/model_record.js';
import {modelTables} from '../../../bench/model_report.js';
import {targetText} from '../../../bench/model_targets.js';
import type {BuiltArtifacts} from '../../support/models/graph_builder.js';
import {bert} from '../../support/models/bert.js';

const BERT = {layers: 12, heads: 12, headDim: 64, ffn: 3072, vocabulary: 30522};

describe('the benchmark of whole models', () => {
  it('knows the largest tensor that TensorFlow.js makes', () => {
    expect(largestTensor('matMul', BERT, 4096, 'model')).toBe(4 * 12 * 4096 ** 2);
    // An Einsum is multiplied out: all pairs times headDim for the scores, every token times all weights for a projection.
    expect(largestTensor('Einsum', BERT, 4096, 'attention')).toBe(4 * 12 * 4096 ** 2 * 64);
    expect(largestTensor('Einsum', BERT, 512, 'model')).toBe(4 * 512 * 768 ** 2);
  });

  it('measures a model with as many weights in its layers as BERT base has', () => {
    const weightsOf = (layers: number): number => {
      const {weightSpecs} = bert({...BERT, layers, vocabulary: 10, positions: 10}).artifacts as BuiltArtifacts;
      const floats = weightSpecs!.filter(({dtype}) => dtype === 'float32').map(({shape}) => shape.reduce((a, b) => a * b, 1));
      return floats.filter((size) => size > 100).reduce((a, b) => a + b, 0);
    };
    const layer = weightsOf(2) - weightsOf(1);
    const [hidden, ffn] = [768, 3072];
    expect(layer).toBe(4 * (hidden * hidden + hidden) + (hidden * ffn + ffn) + (ffn * hidden + hidden) + 4 * hidden);
    expect(12 * layer).toBeCloseTo(85e6, -6);
  });

  it('says which targets were met, which were missed, and what did not run', () => {
    const row = {kind: 'model', graph: 'matMul', part: 'attention', ...BERT} as const;
    const records: ModelRecord[] = [
      {...row, n: 512, pattern: 'full', system: 'original', ms: 2, gpuMs: 1, peakBytes: 2 ** 20},
      {...row, n: 512, pattern: 'full', system: 'tfjs-splat', ms: 1, gpuMs: 0.7, share: 0.7, difference: 2e-7},
      {...row, n: 4096, pattern: 'longformer', system: 'tfjs-splat', ms: 1, gpuMs: 0.7, share: 0.07},
      {...row, part: 'model', n: 8192, pattern: 'full', system: 'original', ms: null, error: 'nothing thrown, wrong by 1.0'},
    ];
    expect(records.map(targetText)).toEqual(['–', '≤ 0.6 **missed**', '≤ 0.1 met', '–']);
    const text = modelTables(records).join('\n\n');
    expect(text).toContain(
      '| matMul, attention | 512 | full | tfjs-splat | 1.00 | 0.700 | 0.700× | ≤ 0.6 **missed** | – | 2.0e-7 |',
    );
    expect(text).toContain('- matMul, model, original at n = 8192: nothing thrown, wrong by 1.0.');
    expect(text).toContain('Targets met: 1 of 2.');
    expect(modelTables([])).toEqual([]);
  });
});
