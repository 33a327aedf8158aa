const tf = require('@tensorflow/tfjs');
const splat = require('tfjs-splat');
require('tfjs-splat/chained');
const {MultiHeadAttention} = require('tfjs-splat/layers');

async function main() {
  const {check} = await import('../check.js');
  const text = await check(tf, splat);
  const one = tf.ones([1, 2, 4]);
  const chained = one.sparseAttention(one, one, splat.causal());
  const layer = new MultiHeadAttention({numHeads: 2, keyDim: 4, pattern: splat.causal()});
  console.log(`${text}; chained: [${chained.shape}]; layer: [${layer.apply(one).shape}]`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
