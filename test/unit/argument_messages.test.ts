import * as tf from '@tensorflow/tfjs';
import {
  blockLocal,
  causal,
  documents,
  equals,
  fromMask,
  full,
  globalTokens,
  KvCache,
  patternFromMask,
  planAttention,
  prefix,
  prepare,
  rewriteGraphModel,
  slidingWindow,
  sparseAttention,
  SplatError,
  strided,
  tune,
  type Pattern,
  type SparseAttentionOptions,
} from '../../src/index.js';
import {MultiHeadAttention, replaceAttention} from '../../src/layers/index.js';
import {expectAttention, randomInputs} from '../oracle.js';
import {sameSegment, withinLengths} from '../oracle_options.js';
import {tensorsOf} from '../support/attend.js';
import {refusal} from '../support/errors.js';

const PROBLEM = {
  batch: 2,
  heads: 3,
  queryLength: 5,
  keyLength: 5,
  headDim: 2,
  valueDim: 2,
  keyHeads: 3,
  packedHeads: 1,
  queryOffset: 0,
};
const SHAPE = {queryLength: 4, keyLength: 4};

describe('a wrong pattern is recognised', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const x = (): tf.Tensor4D => tf.ones([1, 1, 4, 2]);
  const model = (): tf.LayersModel => {
    const tokens = tf.input({shape: [4, 2]});
    return tf.model({inputs: tokens, outputs: new MultiHeadAttention({numHeads: 1, keyDim: 2}).apply(tokens) as tf.SymbolicTensor});
  };
  /** All that take one. */
  const TAKERS: Readonly<Record<string, (pattern: Pattern) => unknown>> = {
    sparseAttention: (pattern) => sparseAttention(x(), x(), x(), pattern),
    prepare: (pattern) => prepare(pattern, {...SHAPE, headDim: 2}),
    tune: (pattern) => tune(pattern, {...SHAPE, headDim: 2}),
    planAttention: (pattern) => planAttention(pattern, {...SHAPE, headDim: 2}),
    'equals, first': (pattern) => equals(pattern, full(), SHAPE),
    'equals, second': (pattern) => equals(full(), pattern, SHAPE),
    KvCache: (pattern) => new KvCache(pattern, {keyHeads: 1, headDim: 2, maxLength: 8}),
    and: (pattern) => causal().and(pattern),
    or: (pattern) => causal().or(pattern),
    MultiHeadAttention: (pattern) => new MultiHeadAttention({numHeads: 1, keyDim: 2, pattern}),
    'layer.pattern': (pattern) => (new MultiHeadAttention({numHeads: 1, keyDim: 2}).pattern = pattern),
    replaceAttention: (pattern) => replaceAttention(model(), pattern),
    rewriteGraphModel: (pattern) => rewriteGraphModel({}, {pattern}),
    'rewriteGraphModel, of a list': (pattern) => rewriteGraphModel({}, {pattern: [full(), pattern]}),
  };
  const READ_TEXT = ['MultiHeadAttention', 'layer.pattern', 'replaceAttention'];

  const wrong: readonly (readonly [what: string, given: () => unknown, message: RegExp])[] = [
    ['an uncalled builder', () => causal, /found the function causal, not called.*Call it: causal\(\)\.$/],
    ['another one', () => slidingWindow, /Call it: slidingWindow\(\{left: 64, right: 64\}\)\.$/],
    ['a method', () => causal().not, /Call it: pattern\.not\(\)\.$/],
    ['a function without a name', () => () => causal(), /found a function, not called.*Call it, as in causal\(\)/],
    [
      'a promise',
      () => patternFromMask(tf.ones([4, 4], 'bool')),
      /found a promise.*Forgot await\? Write await patternFromMask\(mask\)/,
    ],
    ['JSON', () => causal().or(full()).toJSON(), /found JSON, \{kind: 'or'\}.*patternFromJSON\(json\)/],
    ['a number', () => 128, /found 128, expected a Pattern.*slidingWindow\(\{left: 64, right: 64\}\)/],
    ['nothing', () => undefined, /found undefined, expected a Pattern.*slidingWindow/],
    ['null', () => null, /found (null|undefined), expected a Pattern/],
    ['an object', () => ({left: 3}), /found an object, expected a Pattern.*builder such as/],
    ['what has one', () => ({pattern: causal()}), /found an object that has a pattern.*Take it out/],
  ];
  for (const [taker, take] of Object.entries(TAKERS)) {
    it(`by ${taker}`, async () => {
      for (const [what, given, message] of wrong) {
        const act = async (): Promise<unknown> => take(given() as Pattern);
        // Layers take null and nothing for their default.
        if (taker === 'MultiHeadAttention' && given() == null) await expectAsync(act()).toBeResolved();
        else await expectAsync(act()).withContext(what).toBeRejectedWithError(SplatError, message);
      }
      if (READ_TEXT.includes(taker)) return;
      const text = async (given: unknown): Promise<unknown> => take(given as Pattern);
      await expectAsync(text('causal()')).toBeRejectedWithError(SplatError, /found the text 'causal\(\)'.*parsePattern\(text\)/);
      const json = JSON.stringify(causal());
      await expectAsync(text(json)).toBeRejectedWithError(SplatError, /patternFromJSON\(JSON\.parse\(text\)\)/);
    });
  }

  it('whichever builder was not called', () => {
    for (const builder of [full, causal, slidingWindow, strided, blockLocal, globalTokens, prefix, documents, fromMask]) {
      const {cure} = refusal(() => equals(builder as never, full(), SHAPE));
      expect(cure).toMatch(`^Call it: ${builder.name}\\(.*\\)\\.$`);
    }
  });

  it('a tensor or a list where only a pattern will do', () => {
    expect(refusal(() => equals(tf.ones([4, 4], 'bool') as never, full(), SHAPE)).message).toMatch(
      /found a tensor of dtype bool, \[4, 4\].*await patternFromMask\(mask\)/,
    );
    expect(refusal(() => equals([causal(), full()] as never, full(), SHAPE)).message).toMatch(
      /found an array of patterns.*first\.or\(second\)/,
    );
    expect(refusal(() => equals([[1, 0]] as never, full(), SHAPE)).message).toMatch(/found an array, .*fromMask\(values/);
  });
});

describe('an attention_mask, [batch, keyLength]', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const MASK = [
    [1, 1, 1, 0, 0],
    [1, 1, 1, 1, 0],
  ];
  const RIGHT = 'keyLengths: tf.sum(mask, 1) where the padding is at the right';
  const LEFT = 'segmentIds: {query: mask, key: mask} where it is at the left';
  const call = (pattern: unknown, options: object = {}, problem = PROBLEM): string =>
    refusal(() => sparseAttention(...tensorsOf(randomInputs(problem)), pattern as Pattern, options)).message;

  it('is named and cured where it stands for lengths', () => {
    const big = MASK.map((row) => row.map((entry) => BigInt(entry)));
    for (const keyLengths of [
      tf.tensor2d(MASK, [2, 5], 'int32'),
      tf.tensor2d(MASK),
      tf.tensor2d(MASK, [2, 5], 'bool'),
      MASK,
      big,
    ]) {
      const message = call(full(), {keyLengths});
      expect(message).toContain('option keyLengths: found shape [2, 5], a mask of all keys, expected [batch] = [2]');
      for (const cure of [RIGHT, LEFT]) expect(message).toContain(cure);
    }
    expect(call(full(), {keyLengths: MASK[0]}, {...PROBLEM, batch: 1})).toContain(RIGHT);
  });

  it('is named and cured where it stands for the pattern', () => {
    for (const dtype of ['int32', 'float32', 'bool'] as const) {
      const message = call(tf.tensor2d(MASK, [2, 5], dtype));
      for (const cure of [RIGHT, LEFT]) expect(message).toContain(cure);
    }
    expect(call(MASK)).toMatch(/^pattern: found an array \[2, 5\].*tf\.sum\(mask, 1\).*The pattern is then full\(\)/);
    const oneQuery = {...PROBLEM, queryLength: 1, queryOffset: 4};
    expect(call(MASK, {}, oneQuery)).toContain("segmentIds: {query: tf.ones([batch, 1], 'int32'), key: mask}");
  });

  it('and both cures are right', async () => {
    const inputs = randomInputs(PROBLEM);
    const mask = tf.tensor2d(MASK, [2, 5], 'int32');
    const counted = sparseAttention(...tensorsOf(inputs), full(), {keyLengths: tf.sum(mask, 1)});
    await expectAttention(
      counted,
      inputs,
      withinLengths(() => true, [3, 4]),
    );
    const left = [0, 0, 1, 1, 1, 0, 1, 1, 1, 1];
    const padded = tf.tensor2d(left, [2, 5], 'int32');
    const marked = sparseAttention(...tensorsOf(inputs), causal(), {segmentIds: {query: padded, key: padded}});
    await expectAttention(
      marked,
      inputs,
      sameSegment((query, key) => key <= query, left, left, 5, 5),
    );
  });

  it('as large in the batch as the sequences are long is read as queries and keys, and the console says so once', async () => {
    const square = {...PROBLEM, batch: 5};
    const inputs = randomInputs(square);
    const values = Array.from({length: 25}, (_, i) => Number(i % 5 <= i / 5));
    const mask = tf.tensor2d(values, [5, 5], 'bool');
    const warn = spyOn(console, 'warn');
    const output = sparseAttention(...tensorsOf(inputs), mask.reshape([1, 1, 5, 5]));
    expect(warn).not.toHaveBeenCalled();
    await expectAttention(output, inputs, (query, key) => key <= query);
    for (let i = 0; i < 2; i++)
      await expectAttention(sparseAttention(...tensorsOf(inputs), mask), inputs, (query, key) => key <= query);
    expect(warn).toHaveBeenCalledOnceWith(
      jasmine.stringMatching(
        /mask of \[5, 5\] is read as \[queryLength, keyLength\].*tf\.sum\(mask, 1\).*tf\.reshape\(mask, \[1, 1, 5, 5\]\)/,
      ),
    );
    expect(call(tf.tensor2d(values, [5, 5], 'int32'), {}, square)).toMatch(/tf\.sum\(mask, 1\).*For a mask of all pairs: Cast it/);
  });

  it('with the pairs of each sequence lacks a dimension for heads', () => {
    expect(call(tf.ones([2, 5, 5], 'bool'))).toContain('Give it a dimension for heads: tf.expandDims(mask, 1).');
    expect(call(tf.ones([2, 1, 5], 'bool'))).toContain('tf.expandDims(mask, 1)');
    expect(call(full(), {bias: tf.ones([2, 5, 5])})).toContain('tf.expandDims(bias, 1)');
    expect(call(full(), {bias: tf.ones([2, 5])})).toContain('tf.reshape(bias, [2, 1, 1, 5])');
    expect(call(full(), {bias: tf.ones([5, 4])})).toContain('aligned from the right');
  });
});

describe('ALiBi slopes [batch, heads]', () => {
  it('are refused, with what a sequence of its own takes', () => {
    const options: SparseAttentionOptions = {alibiSlopes: tf.ones([2, 3])};
    const {message} = refusal(() => sparseAttention(...tensorsOf(randomInputs(PROBLEM)), full(), options));
    expect(message).toMatch(
      /^alibiSlopes: found shape \[2, 3\], expected \[heads\] = \[3\]\. Slopes belong to heads.*one row.*a bias/,
    );
  });
});

describe('what has to be awaited, read back or completed is named with its cure', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const x = (): tf.Tensor4D => tf.ones([1, 1, 4, 2]);
  const later = <T>(value: T): T => Promise.resolve(value) as never;
  const messageOf = (act: () => unknown): string => refusal(act).message;

  it('promises, wherever tensors and options go', async () => {
    const calls: Readonly<Record<string, () => unknown>> = {
      query: () => sparseAttention(later(x()), x(), x(), full()),
      key: () => sparseAttention(x(), later(x()), x(), full()),
      value: () => sparseAttention(x(), x(), later(x()), full()),
      options: () => sparseAttention(x(), x(), x(), full(), later({})),
      'option bias': () => sparseAttention(x(), x(), x(), full(), {bias: later(x())}),
      'option keyLengths': () => sparseAttention(x(), x(), x(), full(), {keyLengths: later([4])}),
      'option segmentIds': () => sparseAttention(x(), x(), x(), full(), {segmentIds: later({query: x(), key: x()})}),
      'option segmentIds.query': () =>
        sparseAttention(x(), x(), x(), full(), {segmentIds: {query: later([[1]]), key: [[1, 1, 1, 1]]}}),
      'option relativeBias': () => sparseAttention(x(), x(), x(), full(), {relativeBias: later(x())}),
      shape: () => planAttention(full(), later({...SHAPE, headDim: 2})),
    };
    for (const [name, call] of Object.entries(calls)) {
      const message = messageOf(call);
      expect(message).withContext(name).toContain('found a promise');
      expect(message).withContext(name).toContain('Await it first.');
    }
    await expectAsync(patternFromMask(later(tf.ones([2, 2])))).toBeRejectedWithError(SplatError, /found a promise.*Await it first/);
    const cache = new KvCache(causal(), {keyHeads: 1, headDim: 2, maxLength: 8});
    expect(messageOf(() => cache.attend(later(x()), x(), x()))).toContain('Await it first.');
  });

  it('a tensor and a promise given to fromMask', () => {
    const mask = tf.ones([4, 4], 'bool');
    for (const shape of [SHAPE, undefined as never]) {
      expect(messageOf(() => fromMask(mask as never, shape))).toContain('fromMask.mask: found a tensor of dtype bool, [4, 4]');
      expect(messageOf(() => fromMask(mask as never, shape))).toContain('await patternFromMask(mask)');
      expect(messageOf(() => fromMask(mask.data() as never, shape))).toContain(
        'fromMask(await mask.data(), {queryLength, keyLength})',
      );
    }
  });

  it('the part of segmentIds that is missing', () => {
    const ids = tf.ones([1, 4], 'int32');
    const message = (segmentIds: unknown): string => messageOf(() => sparseAttention(x(), x(), x(), full(), {segmentIds} as never));
    expect(message({query: ids})).toContain(
      'option segmentIds.key: found nothing, expected int32 [batch, keyLength]. Give ids of keys, too',
    );
    expect(message({key: ids, query: null})).toContain('option segmentIds.query: found nothing');
    expect(message({})).toContain('option segmentIds.query: found nothing');
    expect(message({query: {}, key: ids})).toContain('option segmentIds.query: found an object');
    expect(message({query: undefined, key: ids})).toContain('Give ids of queries, too');
  });
});
