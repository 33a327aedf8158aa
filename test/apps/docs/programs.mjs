// The code blocks of the documents as programs: what is built from them, where it runs, and what must be true when it has run.

/**
 * @typedef {object} DocProgram
 * @property {string} name
 * @property {string} page
 * @property {number} [block] The block alone, where each of a page is a program; without it all blocks of the page are one.
 * @property {boolean} [process] Also in a fresh Node process, where no WebGPU is; nothing can be fetched by a relative address there.
 * @property {readonly string[]} holds Conditions on what the program declares, in its own words.
 * @property {readonly RegExp[]} [prints] What it must print, one after the other; other lines may stand between.
 */

/**
 * The value of a tensor of one element.
 *
 * @param {string} name
 */
const value = (name) => `(await ${name}.data())[0]`;
/** @param {string} name */
const finite = (name) => `${value(`tf.all(tf.isFinite(${name}))`)} === 1`;
/**
 * @param {string} name
 * @param {number[]} sizes
 */
const shape = (name, sizes) => `${name}.shape.join() === '${sizes.join()}'`;

/** @type {readonly DocProgram[]} */
export const PROGRAMS = [
  {
    name: 'readme',
    page: 'README.md',
    block: 0,
    process: true,
    holds: [shape('output', [1, 8, 256, 64]), finite('output')],
    prints: [/^plan {5}fused: computes[^]*█ full/],
  },
  {
    name: 'readme_model',
    page: 'README.md',
    block: 1,
    holds: ['model.report.replaced.length === 2', 'model.report.left.length === 0'],
    prints: [/2 /],
  },
  {
    name: 'readme_cache',
    page: 'README.md',
    block: 2,
    process: true,
    holds: ["cache.lengths.join() === '13'", shape('output', [1, 8, 1, 64]), finite('output')],
  },
  {
    name: 'plain_code',
    page: 'docs/guides/plain-code.md',
    process: true,
    holds: [
      `${value('difference')} < 1e-5`,
      shape('output', [48, 32]),
      'losses.length === 3 && losses[2] < losses[0]',
      shape('gated', [48, 32]),
      finite('gated'),
      shape('chained', [1, 2, 48, 16]),
      shape('fed', [48, 32]),
      shape('state', [1, 2, 1, 16]),
      finite('state'),
    ],
  },
  {
    name: 'pruned_weights',
    page: 'docs/guides/pruned-weights.md',
    process: true,
    holds: [
      'maskB.length === 24 && maskB.filter((one) => one === 1).length === 7',
      shape('output', [4, 16, 192]),
      `${value('difference')} < 1e-5`,
      'still.join() === maskB.join()',
      shape('activated', [4, 16, 192]),
      finite('activated'),
      "plan.choice === 'blocks'",
      shape('product', [64, 192]),
    ],
  },
  {
    name: 'graph_models',
    page: 'docs/guides/graph-models.md',
    holds: [
      shape('logits', [1, 2]),
      finite('logits'),
      `${value('difference')} < 1e-5`,
      "byLayer.report.replaced.map(({pattern}) => pattern).join() === 'full(),slidingWindow(left: 8, right: 8) or globalTokens(2)'",
      `${value("tf.max(tf.abs(tf.sub(saved.execute(inputs, 'logits'), model.execute(inputs, 'logits'))))")} === 0`,
      // The window does change the numbers: the pattern has arrived.
      `${value("tf.max(tf.abs(tf.sub(model.execute(inputs, 'logits'), before)))")} > 1e-4`,
    ],
    prints: [/^2 of 2 attentions replaced, \d+ Einsum nodes made matrix products$/, /: scale 0\.408\d*, masks \S+$/],
  },
  {
    name: 'whole_models',
    page: 'docs/guides/whole-models.md',
    holds: [
      shape('logits', [1, 2]),
      finite('logits'),
      `${value('tf.max(tf.abs(tf.sub(logits, before)))')} === 0`,
      'short.length === 2 && short.every(Number.isFinite)',
      // Other tokens, other numbers.
      `values[0] !== ${value('logits')}`,
    ],
    prints: [/^\d+ dispatches, \d+ KiB, \d+ constants$/, /^true, 1,40$/],
  },
  {
    name: 'attention_weights',
    page: 'docs/guides/attention-weights.md',
    process: true,
    holds: [
      `${value('difference')} < 2e-6`,
      "keys.join() === '16,17,18,19,20,21,22,23,24'",
      'Math.abs(own.reduce((sum, each) => sum + each, 0) - 1) < 1e-5',
      shape('picture', [1, 2, 48, 48]),
      shape('sharpened', [1, 2, 48, 16]),
      finite('sharpened'),
      `Math.abs(${value('tf.sum(received)')} - 96) < 1e-3`,
      shape('gradient', [1, 2, 48, 16]),
      finite('gradient'),
    ],
    prints: [/^token 20 looks most at (1[6-9]|2[0-4])$/],
  },
  {
    name: 'layers_models',
    page: 'docs/guides/layers-models.md',
    holds: [
      'report.replaced.length > 0',
      'history.history.loss.length === 2',
      `${value('tf.max(tf.abs(tf.sub(classifier.predict(texts), again.predict(texts))))')} < 1e-6`,
    ],
    prints: [/full\(\) → slidingWindow\(left: 128, right: 128\) or globalTokens\(16\)/],
  },
  {
    name: 'choosing',
    page: 'docs/choosing.md',
    process: true,
    // Random queries and keys: the share that a pattern keeps is near its share of the pairs, which is what the formula must give here.
    holds: [
      'Math.abs(share - planAttention(slidingWindow({left: 64, right: 64}).or(globalTokens(4)), {queryLength: 160, keyLength: 160, headDim: 8}).density) < 0.05',
      'error > 0',
    ],
    prints: [/^±128: \d+\.\d % of the pairs, \d+\.\d × full$/, /^±256:/, /^±512:/, /of the attention stays; the output moves by/],
  },
  {
    name: 'coming_from',
    page: 'docs/guides/coming-from.md',
    process: true,
    holds: [`${value('difference')} < 1e-5`, `${value('leftDifference')} < 1e-5`],
  },
];

/** The pages whose blocks of these languages are all run by the programs above. */
export const RUN_PAGES = [...new Set(PROGRAMS.map(({page}) => page))];
