// Ways to ask for a gradient through a cache, and ways to use one beside a gradient that does not go through it.
import * as tf from '@tensorflow/tfjs-core';
import {causal, prefix} from '../../src/pattern/index.js';
import {KvCache} from '../../src/index.js';
import {window} from './kv_cases.js';

const PATTERN = prefix(1).or(window(3)).and(causal());
const makeCache = (batch = 1): KvCache => new KvCache(PATTERN, {batch, keyHeads: 1, headDim: 4, rollback: 2});
const some = (tokens = 1, batch = 1): tf.Tensor4D =>
  tf.reshape(tf.sin(tf.range(0, batch * tokens * 4)), [batch, 1, tokens, 4]) as tf.Tensor4D;
const total = (tensor: tf.Tensor): tf.Scalar => tf.sum(tf.square(tensor));

/** Each is given a cache that holds three tokens, and asks for a gradient that goes through it. */
export const ASKED: Readonly<Record<string, (cache: KvCache) => unknown>> = {
  'tf.grad of the query': (cache) => tf.grad((x) => total(cache.attend(x, some(), some())))(some()),
  'tf.grad of the key': (cache) => tf.grad((x) => total(cache.attend(some(), x, some())))(some()),
  'tf.grad of the value': (cache) => tf.grad((x) => total(cache.attend(some(), some(), x)))(some()),
  'tf.grad of a prompt': (cache) => {
    cache.reset();
    return tf.grad((x) => total(cache.attend(x, x, x)))(some(5));
  },
  'tf.grads, of which one goes through': (cache) =>
    tf.grads((x, y) => tf.add(total(cache.attend(some(), x, some())), total(y)))([some(), some()]),
  'tf.valueAndGrad with a dy': (cache) => tf.valueAndGrad((x) => cache.attend(x, some(), some()))(some(), some()),
  'a bias': (cache) => tf.grad((x) => total(cache.attend(some(), some(), some(), {bias: x})))(tf.zeros([1, 4])),
  'a bias by distance': (cache) =>
    tf.grad((x) => total(cache.attend(some(), some(), some(), {relativeBias: x})))(tf.zeros([1, 19])),
  'ALiBi slopes': (cache) => tf.grad((x) => total(cache.attend(some(), some(), some(), {alibiSlopes: x})))(tf.ones([1])),
  sinks: (cache) => tf.grad((x) => total(cache.attend(some(), some(), some(), {sinks: x})))(tf.ones([1])),
  'a prompt in the other layout': (cache) => {
    cache.reset();
    return tf.grad((x) => total(cache.attend(x, x, x, {layout: 'blhd'})))(tf.reshape(some(3), [1, 3, 1, 4]));
  },
  'optimizer.minimize': (cache) => {
    const weights = tf.variable(tf.ones([1, 1, 1, 4]));
    try {
      tf.train.sgd(0.1).minimize(() => total(cache.attend(tf.mul(some(), weights), some(), some())));
    } finally {
      weights.dispose();
    }
  },
  'tf.variableGrads of a key that a later query reads': (cache) => {
    const weights = tf.variable(tf.ones([1, 1, 1, 4]));
    try {
      return tf.variableGrads(() => {
        cache.attend(some(), tf.mul(some(), weights), some());
        for (let i = 0; i < 3; i++) cache.attend(some(), some(), some());
        return total(cache.attend(some(), some(), some()));
      });
    } finally {
      weights.dispose();
    }
  },
  'a value that a later query reads, after the first output is disposed': (cache) =>
    tf.grad((x) => {
      tf.tidy(() => void cache.attend(some(), some(), x));
      return total(cache.attend(some(), some(), some()));
    })(some()),
  'a value that a later query of a fork reads': (cache) =>
    tf.grad((x) => {
      cache.attend(some(), some(), x);
      const fork = cache.fork([0, 0]);
      const output = total(fork.attend(some(1, 2), some(1, 2), some(1, 2)));
      fork.dispose();
      return output;
    })(some()),
  'a value that is left after a rollback of others': (cache) =>
    tf.grad((x) => {
      cache.attend(some(), some(), x);
      cache.attend(some(), some(), some());
      cache.rollback(1);
      return total(cache.attend(some(), some(), some()));
    })(some()),
  'a value that an op of the user appends': (cache) => {
    const append = tf.customGrad((x) => {
      const value = tf.mul(x as tf.Tensor4D, 2);
      cache.attend(some(), some(), value);
      return {value: tf.sum(value), gradFunc: (dy) => tf.mul(tf.onesLike(x as tf.Tensor4D), tf.mul(dy, 2))};
    });
    return tf.grad((x) => tf.add(append(x), total(cache.attend(some(), some(), some()))))(some());
  },
  'a gradient of a gradient': (cache) => tf.grad((x) => total(tf.grad((y) => total(cache.attend(y, some(), some())))(x)))(some()),
};

/** Each uses a cache while TensorFlow.js records, in ways that nothing is differentiated through. The result is a gradient: twos. */
export const UNTOUCHED: Readonly<Record<string, (cache: KvCache) => tf.Tensor>> = {
  'outputs that are not used': (cache) =>
    tf.grad((x) => {
      cache.attend(x as tf.Tensor4D, some(), some());
      cache.attend(some(), some(), some());
      return total(x);
    })(tf.ones([1, 1, 1, 4])),
  'outputs of constants that are': (cache) =>
    tf.grad((x) => tf.add(total(x), total(cache.attend(some(), some(), some()))) as tf.Scalar)(tf.ones([2])),
  'a watched value that was taken back': (cache) =>
    tf.grad((x) => {
      cache.attend(some(), some(), x as tf.Tensor4D);
      cache.rollback(1);
      return tf.add(total(x), total(cache.attend(some(), some(), some()))) as tf.Scalar;
    })(tf.ones([1, 1, 1, 4])),
  'a watched value before a reset': (cache) =>
    tf.grad((x) => {
      cache.attend(some(), some(), x as tf.Tensor4D);
      cache.reset();
      return tf.add(total(x), total(cache.attend(some(), some(), some()))) as tf.Scalar;
    })(tf.ones([1, 1, 1, 4])),
  'a value that was watched by another tape': (cache) => {
    const given = tf.ones([1, 1, 1, 4]);
    const use = (x: tf.Tensor): tf.Tensor => {
      cache.attend(some(), some(), x as tf.Tensor4D);
      return total(x);
    };
    tf.grad(use)(given);
    return tf.grad((x) => tf.add(total(x), total(cache.attend(some(), some(), some()))) as tf.Scalar)(given);
  },
  'a gradient that the user gives': (cache) => {
    const attend = tf.customGrad((x) => ({
      value: cache.attend(x as tf.Tensor4D, some(), some()),
      gradFunc: () => tf.fill([1, 1, 1, 4], 2),
    }));
    return tf.grad((x) => tf.sum(attend(x)))(tf.ones([1, 1, 1, 4]));
  },
};

export function filledCache(): KvCache {
  const cache = makeCache();
  cache.attend(some(3), some(3), some(3));
  return cache;
}
