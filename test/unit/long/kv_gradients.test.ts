import '@tensorflow/tfjs'; // registers gradients
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {refusal} from '../../support/errors.js';
import {ASKED, filledCache, UNTOUCHED} from '../../support/kv_gradient_cases.js';

for (const backend of ['cpu', 'wasm']) {
  describe(`gradients and a KvCache on ${backend}`, () => {
    beforeAll(async () => {
      tf.env().set('IS_TEST', true);
      await tf.setBackend(backend);
    });
    afterAll(async () => {
      tf.env().set('IS_TEST', false);
      await tf.setBackend('cpu');
    });
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());

    for (const [name, ask] of Object.entries(ASKED)) {
      it(`are refused: ${name}`, () => {
        const {message} = refusal(() => ask(filledCache()));
        expect(message).toMatch(/gradient of KvCache.attend: .*Train with one call of sparseAttention\(/);
      });
    }

    for (const [name, use] of Object.entries(UNTOUCHED)) {
      it(`pass by: ${name}`, async () => {
        const gradient = use(filledCache());
        expect((await gradient.data()).every((x) => x === 2)).toBeTrue();
      });
    }

    it('leave no tensors behind', () => {
      const cache = filledCache();
      const [x, one] = [tf.ones([2]), tf.ones<tf.Rank.R4>([1, 1, 1, 4])];
      const {numTensors} = tf.memory();
      for (let i = 0; i < 3; i++) tf.tidy(() => void tf.grad((y) => tf.add(tf.sum(y), tf.sum(cache.attend(one, one, one))))(x));
      expect(tf.memory().numTensors).toBe(numTensors);
      cache.dispose();
    });
  });
}
