import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {
  causal,
  KvCache,
  mergeAttention,
  planAttention,
  prepare,
  slidingWindow,
  sparseAttention,
  sparseAttentionWithAux,
} from '../../../src/index.js';
import {SplatError} from '../../../src/support/index.js';
import {expectAttention} from '../../oracle.js';
import {backend} from '../../support/attend.js';
import {BESIDE_LENGTHS, PLAIN, spell, spoilPadding} from '../../support/dense_cases.js';
import {expectGradients} from '../../support/gradient_cases.js';
import {BASE, callCase, expectCase, type OptionCase, type Tensors} from '../../support/option_cases.js';
import {onSecondBackend} from '../../support/second_backend.js';
import {WIDE} from '../../support/wide_cases.js';

describe('on WebGPU, features past 256', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const [name, given] of WIDE)
    it(`give outputs and gradients of the oracle: ${name}`, async () => {
      await expectCase(given, name);
      await expectGradients(given, name);
    });

  for (const [name, changes] of [0, 2, 5, 9, 14].map((i) => BESIDE_LENGTHS[i]!))
    it(`take padding behind lengths that holds anything, beside ${name}`, async () => {
      const given: OptionCase = {...BASE, ...PLAIN, implementation: 'auto', lengths: true, seed: 3, headDim: 260, ...changes};
      const spelled = spell(given);
      const {output} = callCase(given, spelled, spoilPadding(spelled, NaN).tensors as unknown as Tensors);
      await expectAttention(spelled.plain(output), spelled.inputs, spelled.attends, spelled.says, name);
      await expectGradients(given, name, NaN);
    });

  it('are rounded as asked, in both layouts', async () => {
    for (const [name, given] of [WIDE[2]!, WIDE[3]!, WIDE[0]!]) {
      await expectCase({...given, precision: 'float16'}, name);
      await expectGradients({...given, precision: 'float16'}, name);
    }
  });

  it('can be prepared for, merged, and are refused to the fused kernel and to a float16 cache', async () => {
    await prepare(causal(), {queryLength: 6, keyLength: 6, headDim: 512, heads: 2, gradients: true, precision: 'float16'});
    const x = tf.randomNormal([1, 2, 6, 300]);
    const part = sparseAttentionWithAux(x, x, x, slidingWindow({left: 2}));
    const {output} = mergeAttention([part.output], [part.logSumExp]);
    expect(await output.data()).toEqual(await part.output.data());
    expect(() => sparseAttention(x, x, x, causal(), {implementation: 'fused'})).toThrowError(
      SplatError,
      /implementation 'fused': found headDim 300, expected headDim and valueDim of at most 256.*'auto'/s,
    );
    expect(() => new KvCache(slidingWindow({left: 2}), {keyHeads: 2, headDim: 300, precision: 'float16'})).toThrowError(
      SplatError,
      /precision: found 'float16' beside 300 features, .* at most 256/,
    );
  });

  it('show their plan to SPLAT_DEBUG', () => {
    const log = spyOn(console, 'log');
    tf.env().set('SPLAT_DEBUG', 3);
    const x = tf.ones([1, 1, 4, 300]);
    sparseAttention(x, x, x, causal());
    tf.env().set('SPLAT_DEBUG', 0);
    expect(log.calls.allArgs().flat().join('\n')).toContain('plan     dense: headDim 300: our kernels take up to 256');
  });

  it('are refused where the device cannot bind a tensor', () => {
    const most = backend().device.limits.maxStorageBufferBindingSize;
    const huge = tf.zeros([1, 1, 1, 1]);
    const shape = [1, 1, most / 4 / 512 + 1, 512];
    // A tensor that long is never made: its shape is what is checked.
    Object.defineProperty(huge, 'shape', {value: shape});
    Object.defineProperty(huge, 'rankType', {value: '4'});
    const small = tf.zeros([1, 1, 1, 512]);
    expect(() => sparseAttention(small, huge, huge, causal())).toThrowError(
      SplatError,
      /bytes of key.*maxStorageBufferBindingSize/s,
    );
  });
});

describe('on a WebGPU backend that has done nothing else, features past 256', () => {
  // The pool may hold twice what the neediest call before had, and other specs have had more.
  onSecondBackend();

  it('leave no tensor behind, and little memory however many lengths there are', async () => {
    const before = tf.memory().numTensors;
    const held = backend().bufferManager.numBytesUsed;
    for (let length = 100; length < 124; length += 2) {
      const x = tf.ones([1, 1, length, 260]);
      tf.dispose([x, sparseAttention(x, x, x, causal())]);
    }
    await backend().device.queue.onSubmittedWorkDone();
    expect(tf.memory().numTensors).toBe(before);
    // A dozen of calls take a dozen times 25 tensors of 40 KB and more, all of different sizes.
    const most = held + planAttention(causal(), {queryLength: 122, keyLength: 122, headDim: 260}).bytes + 4 * 122 * 260 * 8;
    expect(backend().bufferManager.numBytesAllocated).toBeLessThan(2 * most);
  });
});
