/**
 * What every app here does: runs `sparseAttention` on WebGPU, on the cpu where there is none, and compares it with the same attention
 * written with the ops of TensorFlow.js. Returns a line that begins with "ok", or throws.
 */
export async function check(tf, {sparseAttention, slidingWindow}) {
  if (!(await tf.setBackend('webgpu').catch(() => false))) await tf.setBackend('cpu');
  const [query, key, value] = [1, 2, 3].map((seed) => tf.randomNormal([1, 2, 40, 16], 0, 1, 'float32', seed));

  const sparse = sparseAttention(query, key, value, slidingWindow({left: 7}));

  const distance = tf.sub(tf.expandDims(tf.range(0, 40), 1), tf.range(0, 40));
  const hidden = tf.logicalOr(tf.less(distance, 0), tf.greater(distance, 7));
  const scores = tf.add(tf.div(tf.matMul(query, key, false, true), 4), tf.mul(tf.cast(hidden, 'float32'), -1e9));
  const dense = tf.matMul(tf.softmax(scores), value);

  const [a, b] = await Promise.all([sparse.data(), dense.data()]);
  const error = a.reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i])), 0);
  // Not `error > 1e-5`, which NaN would pass.
  if (!(error <= 1e-5)) throw new Error(`${error} away from dense attention`);
  return `ok on ${tf.getBackend()}, ${error.toExponential(1)} away from dense attention`;
}
