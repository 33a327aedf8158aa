import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {memory, ones, setBackend, type io, type Tensor} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import type {AttrValue, GraphDef} from '../../src/model/graph/graph.js';
import {rewriteGraphModel} from '../../src/model/index.js';
import {full} from '../../src/pattern/index.js';
import {SplatError} from '../../src/support/index.js';
import {attentionGraph, node, product, scores} from '../support/attention_graphs.js';
import {handMade} from '../support/hand_made_graph.js';

const {artifacts} = rewriteGraphModel(
  attentionGraph([scores, node('sum', 'AddV2', 'scores', 'm'), node('probs', 'Softmax', 'sum'), product('out', 'probs', 'v')]),
  {pattern: full()},
);

/** The swapped model with other attributes in its node; undefined takes one away. */
function changed(attr: Record<string, AttrValue | undefined>): io.ModelArtifacts {
  const topology = artifacts.modelTopology as GraphDef;
  const nodes = topology.node.map((each) => {
    if (each.op !== 'SparseAttention') return each;
    const all = Object.entries({...each.attr, ...attr}).filter(([, value]) => value !== undefined);
    return {...each, attr: Object.fromEntries(all)};
  });
  return {...artifacts, modelTopology: {...topology, node: nodes}};
}

const text = (value: string): AttrValue => ({s: btoa(value)});
const inputs = (): Record<string, Tensor> => ({
  ...{q: ones([2, 3, 4, 2]), k: ones([2, 3, 4, 2]), v: ones([2, 3, 4, 2])},
  m: ones([2, 1, 4, 4]),
});

function thrownBy(attr: Record<string, AttrValue | undefined>): unknown {
  const model = loadGraphModelSync(changed(attr));
  const given = inputs();
  const start = memory().numTensors;
  try {
    (model.execute(given) as Tensor).dispose();
  } catch (error) {
    expect(memory().numTensors).toBe(start);
    return error;
  }
  return undefined;
}

/** As a node reads heads of a larger tensor. */
const JOINED = {axes: text('blf,blf,blf->blf'), layout: text('blhd'), heads: {i: 2}, head_dim: {i: 2}, firsts: text('0,0,0')};

describe('a SparseAttention node that was changed by hand', () => {
  beforeAll(() => setBackend('cpu'));

  it('runs as the swap wrote it', () => expect(thrownBy({})).toBeUndefined());

  const hostile: Record<string, Record<string, AttrValue | undefined>> = {
    'no axes': {axes: undefined},
    'empty axes': {axes: text('')},
    'axes that are a number': {axes: {i: 5}},
    'axes that are a list': {axes: {list: {i: [1, 2]}}},
    'axes of two tensors': {axes: text('bhld,bhld->bhld')},
    'two outputs': {axes: text('bhld,bhld,bhld->bhld->bhld')},
    'a letter twice': {axes: text('bhll,bhld,bhld->bhld')},
    'a letter of its own': {axes: text('qhld,bhld,bhld->bhld')},
    'features of no heads': {axes: text('blf,blf,blf->blf')},
    'key heads that are no number': {key_heads: text('two')},
    'half a key head': {key_heads: {f: 0.5}},
    'no key heads': {key_heads: {i: 0}},
    'the batch of the query for an output with heads apart': {query_batch: {b: true}},
    'no features': {axes: text('xbhl,bhld,bhld->bhld')},
    'a star in the middle': {axes: text('l*d,bhld,bhld->bhld')},
    'merged and apart': {axes: text('mhld,bhld,bhld->bhld')},
    'axes by the thousand': {axes: text(`${'b'.repeat(5000)},bhld,bhld->bhld`)},
    'fewer axes than the tensor': {axes: text('hld,bhld,bhld->bhld')},
    'more axes than the tensor': {axes: text('abhld,bhld,bhld->bhld')},
    'an output without its heads': {axes: text('bhld,bhld,bhld->bld')},
    'an output without its batch': {axes: text('bhld,bhld,bhld->hld')},
    'queries in place of features': {axes: text('bhdl,bhld,bhld->bhld')},
    'heads in place of keys': {axes: text('bhld,blhd,bhld->bhld')},
    'merged axes that no heads divide': {axes: text('mhld,mld,mld->mld'), heads: {i: 5}},
    'a term of no axes': {terms: text('add:1@')},
    'a term with features': {terms: text('add:1@bhld')},
    'a term of axes twice': {terms: text('add:1@bhlk@bhlk')},
    'no heads at all': {heads: {i: 0}},
    'heads that are no number': {heads: text('many')},
    'half a head': {heads: {f: 0.5}},
    'unknown terms': {terms: text('multiply:2')},
    'a term too many': {terms: text('add:1 add:1')},
    'a factor that is no number': {terms: text('add:x')},
    'no factor': {terms: text('add:')},
    'a scale that no query and no key has': {terms: text('times')},
    'a word of every object': {terms: text('constructor')},
    'an infinite factor': {terms: text('add:Infinity')},
    'an unknown layout': {layout: text('lbhd')},
    'no layout': {layout: undefined},
    'an unknown implementation': {implementation: text('fastest')},
    'a scale that is no number': {scale: text('half')},
    'no scale': {scale: undefined},
    'no pattern': {pattern: undefined},
    'a pattern that is none': {pattern: text('causal(')},
    'an offset between positions': {query_offset: {f: 0.5}},
    'firsts that are none': {...JOINED, firsts: text('0,x,2')},
    'two firsts': {...JOINED, firsts: text('0,2')},
    'no firsts': {...JOINED, firsts: text('')},
    'a first before the features': {...JOINED, firsts: text('0,-2,0')},
    'firsts past the features': {...JOINED, firsts: text('0,2,0')},
    'firsts of heads that lie apart': {...JOINED, axes: undefined, firsts: text('0,2,0')},
    'firsts without features': {...JOINED, head_dim: undefined},
    'firsts of features that are no number': {...JOINED, head_dim: text('two')},
    'firsts without heads': {...JOINED, heads: undefined},
    'firsts of more heads than there are': {...JOINED, heads: {i: 5}},
    'a broadcast that is none': {broadcast: text('1,x')},
    'a broadcast that does not fit': {broadcast: text('3,1,1,1')},
    'a broadcast of many axes': {broadcast: text('1,1,1,1,1,1,1,1,1')},
  };
  for (const [title, attr] of Object.entries(hostile)) {
    it(`(${title}) is refused in words`, () => {
      const error = thrownBy(attr);
      expect(error).toBeInstanceOf(SplatError);
      expect((error as SplatError).cure.length).toBeGreaterThan(10);
      expect(String(error).length).toBeLessThan(1000);
    });
  }

  it('never throws anything but a SplatError for its axes', () => {
    const letters = fc.string({unit: fc.constantFrom(...'xyzabhmwgfld*,->'), maxLength: 6});
    const spec = fc.oneof(
      letters,
      fc.constantFrom('bhld', 'blhd', 'hld', 'mld', '*ld', 'bhdl', 'abhld', 'whld', 'gld', 'amld', 'blf', 'bhlf'),
    );
    fc.assert(
      fc.property(spec, spec, spec, spec, fc.constantFrom(1, 2, 3, 6), (query, key, value, output, heads) => {
        const error = thrownBy({axes: text(`${query},${key},${value}->${output}`), heads: {i: heads}, windows: {i: 2}});
        expect(error === undefined || error instanceof SplatError)
          .withContext(String(error))
          .toBeTrue();
      }),
      {numRuns: 300},
    );
  });
});

describe('a SplatDense node that was changed by hand', () => {
  beforeAll(() => setBackend('cpu'));

  const dense = (attr: Record<string, AttrValue>, shape = [3, 2]): io.ModelArtifacts =>
    handMade(
      [
        {name: 'x', op: 'Placeholder'},
        {name: 'out', op: 'SplatDense', input: ['x', 'matrix', 'bias'], attr},
      ],
      {matrix: {shape, values: Array<number>(shape.reduce((a, b) => a * b, 1)).fill(1)}, bias: {shape: [2], values: [1, -9]}},
      ['out'],
    );
  const execute = (model: io.ModelArtifacts, x: Tensor): Tensor => loadGraphModelSync(model).execute({x}) as Tensor;

  it('multiplies rows of any number of axes, adds and activates, as the fold wrote it', async () => {
    for (const shape of [
      [2, 3],
      [1, 2, 3],
      [2, 1, 3],
      [2, 2, 2, 3],
      [0, 4, 3],
    ]) {
      const output = execute(dense({activation: text('relu')}), ones(shape));
      expect(output.shape).toEqual([...shape.slice(0, -1), 2]);
      const expected = Array.from({length: output.size}, (_, i) => (i % 2 === 0 ? 4 : 0));
      expect(Array.from(await output.data())).toEqual(expected);
    }
  });

  it('refuses what it cannot be', () => {
    expect(() => execute(dense({activation: text('softmax')}), ones([2, 3]))).toThrowError(
      SplatError,
      /activation of a SplatDense node/,
    );
    expect(() => execute(dense({}, [1, 3, 2]), ones([2, 3]))).toThrowError(
      SplatError,
      /inputs of shapes \[2,3\], \[1,3,2\], \[2\]/,
    );
    expect(() => execute(dense({}), ones([3]))).toThrowError(SplatError, /a SplatDense node/);
  });
});
