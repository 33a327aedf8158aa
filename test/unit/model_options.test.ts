import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import {loadGraphModel, rewriteGraphModel, sparseIOHandler, type SwapOptions, type SwapReport} from '../../src/model/index.js';
import {causal, documents, full, slidingWindow, type Pattern} from '../../src/pattern/index.js';
import {attentionGraph, node, product, scores, spellings} from '../support/attention_graphs.js';
import {refusal} from '../support/errors.js';
import {graphCase} from '../support/graph_cases.js';
import {uniform, type GraphArtifacts} from '../support/hand_made_graph.js';
import {rowsOfAttention} from '../support/small_attention.js';

const good = spellings.find(({title}) => title === 'a multiplication after the scores')!.artifacts;
const two = attentionGraph([
  scores,
  node('probs', 'Softmax', 'scores'),
  product('first', 'probs', 'v'),
  product('more', 'first', 'k', {adj_y: {b: true}}),
  node('weights', 'Softmax', 'more'),
  product('out', 'weights', 'v'),
]);

const draw = (shape: number[], seed: number): Tensor => {
  const random = uniform(seed);
  return tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 4 * random() - 2),
    shape,
  );
};

describe('options of a swap', () => {
  const message = (options: unknown): string => refusal(() => rewriteGraphModel(good, options as SwapOptions)).message;

  it('that are a bare pattern are refused with the words to write', async () => {
    expect(message(slidingWindow({left: 3}))).toBe(
      'rewriteGraphModel options: found the pattern slidingWindow(left: 3), expected an object such as {pattern: full()}. ' +
        'Write rewriteGraphModel(…, {pattern: slidingWindow(left: 3)}).',
    );
    await expectAsync(loadGraphModel('model.json', full() as unknown as SwapOptions)).toBeRejectedWithError(
      /^loadGraphModel options: found the pattern full\(\), .* Write loadGraphModel\(…, \{pattern: full\(\)\}\)\.$/,
    );
    expect(refusal(() => sparseIOHandler('model.json', causal() as unknown as SwapOptions)).thing).toBe('sparseIOHandler options');
    expect(message([full(), full()])).toContain('Write {pattern: [first, second, …]}');
    expect(message(causal)).toContain('Call the builder');
    expect(message('causal()')).toContain("found the text 'causal()', expected an object");
  });

  it('name the function that was called', async () => {
    await expectAsync(loadGraphModel('model.json', {} as SwapOptions)).toBeRejectedWithError(/^loadGraphModel pattern: found /);
    const source = 7 as unknown as string;
    await expectAsync(loadGraphModel(source, {pattern: full()})).toBeRejectedWithError(/^loadGraphModel source: found number/);
  });

  it('say where queries stand in one of two words', () => {
    expect(message({pattern: full(), align: 'star'})).toBe(
      "rewriteGraphModel align: found the text 'star', expected 'end', 'start' or an array of them. Did you mean 'start'?",
    );
    for (const align of [0, ['end', undefined], ['end', 'first']]) {
      expect(message({pattern: full(), align})).toContain('rewriteGraphModel align: found ');
    }
    expect(() => rewriteGraphModel(good, {pattern: full(), align: ['start']})).not.toThrow();
  });
});

describe('a list of another length than there are attentions', () => {
  const lists: [title: string, options: SwapOptions, words: string][] = [
    ['patterns', {pattern: [full(), full(), full()]}, '3 patterns were given, and 2 attentions can be swapped; nothing was'],
    ['alignments', {pattern: full(), align: ['end']}, '1 values of align were given, and 2 attentions can be swapped; nothing was'],
  ];
  for (const [title, options, words] of lists) {
    it(`(${title}) is said aloud, unless the report is asked for`, async () => {
      const warn = spyOn(console, 'warn');
      expect(rewriteGraphModel(two, options).artifacts).toBe(two);
      expect(warn.calls.allArgs().flat()).toEqual([jasmine.stringContaining(`rewriteGraphModel: ${words}`) as unknown as string]);
      await loadGraphModel({load: () => Promise.resolve(two)}, options);
      expect(warn.calls.mostRecent().args[0]).toContain(`loadGraphModel: ${words}`);
      sparseIOHandler(two, options).load();
      expect(warn).toHaveBeenCalledTimes(3);
      const told: SwapReport[] = [];
      sparseIOHandler(two, {...options, onReport: (report) => told.push(report)}).load();
      expect(warn).toHaveBeenCalledTimes(3);
      expect(told.map(({problems}) => problems)).toEqual([[words]]);
      expect(refusal(() => rewriteGraphModel(two, {...options, strict: true})).found).toContain(words);
    });
  }
});

describe('a report as text', () => {
  it('says what was replaced, what was left and what to know, a line each', () => {
    const odd = attentionGraph([
      scores,
      node('sum', 'AddV2', 'scores', 'm'),
      node('probs', 'Softmax', 'sum'),
      product('first', 'probs', 'v'),
      product('more', 'first', 'k', {adj_y: {b: true}}),
      node('capped', 'Tanh', 'more'),
      node('weights', 'Softmax', 'capped'),
      product('out', 'weights', 'v'),
    ]);
    const {report} = rewriteGraphModel(odd, {pattern: slidingWindow({left: 3})});
    expect(String(report)).toBe(
      [
        '1 of 2 attentions replaced',
        "  replaced 'first': slidingWindow(left: 3), scale 1, with 'm'",
        "  left 'weights': the Tanh 'capped' stands between the product of query and key and the softmax",
      ].join('\n'),
    );
    expect(String(rewriteGraphModel({}, {pattern: full()}).report)).toMatch(
      /^0 of 0 attentions replaced\n {2}problem: found a model of/,
    );
    // It stays data.
    expect(Object.keys(report)).toEqual(['found', 'replaced', 'left', 'einsums', 'notes', 'problems', 'folded']);
  });
});

const run = async (artifacts: io.ModelArtifacts, inputs: Record<string, Tensor>): Promise<number[][]> => {
  const output = loadGraphModelSync(artifacts).execute(inputs) as Tensor;
  const width = output.shape.at(-1)!;
  const values = Array.from(await output.data());
  return Array.from({length: values.length / width}, (_, row) => values.slice(row * width, (row + 1) * width));
};

describe('more or fewer queries than keys', () => {
  beforeAll(() => setBackend('cpu'));

  /** Softmax attention in float64, over the keys from query + offset − left to query + offset + right. */
  async function expectWindow(
    artifacts: GraphArtifacts,
    options: SwapOptions,
    [queries, keys]: [number, number],
    offset: number,
  ): Promise<SwapReport> {
    const {artifacts: swapped, report} = rewriteGraphModel(artifacts, options);
    const q = draw([1, queries, 8], 1);
    const k = draw([1, keys, 8], 2);
    const found = await run(swapped, {q, k});
    const seen = (query: number, key: number): boolean => key >= query + offset - 2 && key <= query + offset + 1;
    const expected = rowsOfAttention(await q.data(), await k.data(), await k.data(), 8, 0.5, seen);
    found.forEach((row, i) => row.forEach((value, j) => expect(value).toBeCloseTo(expected[i]![j]!, 5)));
    return report;
  }

  const {artifacts} = graphCase('more_queries');
  const pattern = slidingWindow({left: 2, right: 1});

  it('stand at the end unless told otherwise, and rows that see nothing are named', async () => {
    const report = await expectWindow(artifacts, {pattern}, [28, 7], -21);
    expect(report.notes).toEqual([
      "20 of the 28 queries of 'batchmatmulv2_4' see none of its 7 keys and give zeros under slidingWindow(left: 2, right: 1): " +
        "its last query stands at its last key; align: 'start' leaves fewer",
    ]);
    expect((await expectWindow(artifacts, {pattern, align: 'end'}, [28, 7], -21)).notes).toEqual(report.notes);
  });

  it('stand at the start where that is asked for', async () => {
    const report = await expectWindow(artifacts, {pattern, align: 'start'}, [28, 7], 0);
    expect(report.notes).toEqual([
      jasmine.stringMatching(/^19 of the 28 queries .*: its first query stands at its first key$/) as unknown as string,
    ]);
  });

  it('take align in the handler and in loadGraphModel too', async () => {
    const options = {pattern, align: 'start'} as const;
    const inputs = {q: draw([1, 28, 8], 1), k: draw([1, 7, 8], 2)};
    const expected = await run(rewriteGraphModel(artifacts, options).artifacts, inputs);
    expect(await run(sparseIOHandler(artifacts, options).load(), inputs)).toEqual(expected);
    const model = await loadGraphModel({load: () => Promise.resolve(artifacts)}, options);
    const width = 8;
    const values = Array.from(await (model.execute(inputs) as Tensor).data());
    expect(values.slice(0, width)).toEqual(expected[0]!);
  });

  it('are no matter where all see all', () => {
    expect(rewriteGraphModel(artifacts, {pattern: full()}).report.notes).toEqual([]);
  });

  it('say so where a pattern is made for another length', () => {
    const {report} = rewriteGraphModel(artifacts, {pattern: documents([4, 4])});
    expect(report.notes).toEqual([
      jasmine.stringMatching(/does not suit its 28 queries and 7 keys: documents\.lengths/) as unknown as string,
    ]);
  });

  it('take an alignment for each attention', () => {
    const shapes = {q: [1, 2, 6, 4], k: [1, 2, 3, 4], v: [1, 2, 3, 4]};
    const graph: GraphArtifacts = {
      ...two,
      modelTopology: attentionGraph(two.modelTopology.node.slice(5), {}, ['out'], shapes).modelTopology,
    };
    const notes = (align: SwapOptions['align']): readonly string[] =>
      rewriteGraphModel(graph, {pattern: causal(), align}).report.notes;
    expect(notes(['start', 'end']).map((note) => /^3 of the 6 queries of '(\w+)'/.exec(note)?.[1])).toEqual(['out']);
    expect(notes(['end', 'start']).map((note) => /^3 of the 6 queries of '(\w+)'/.exec(note)?.[1])).toEqual(['first']);
  });

  it('follow a causal mask of the model, and a note says that it overrules', () => {
    const lower = {shape: [9, 9], values: Array.from({length: 81}, (_, i) => (i % 9 > Math.floor(i / 9) ? -1e9 : 0))};
    const cut = {...node('cut', 'Slice', 'lower', 'begin', 'size')};
    const whole = [
      scores,
      cut,
      node('sum', 'AddV2', 'scores', 'cut'),
      node('probs', 'Softmax', 'sum'),
      product('out', 'probs', 'v'),
    ];
    const shapes = {q: [-1, 2, 3, 4], k: [-1, 2, 7, 4]};
    const graph = (begin: number[]): GraphArtifacts =>
      attentionGraph(
        whole,
        {lower, begin: {shape: [2], values: begin, int: true}, size: {shape: [2], values: [3, 7], int: true}},
        ['out'],
        shapes,
      );
    const notes = (begin: number[], align: SwapOptions['align'], given: Pattern = slidingWindow({left: 1})): readonly string[] =>
      rewriteGraphModel(graph(begin), {pattern: given, align}).report.notes;
    expect(notes([0, 0], 'end')).toEqual([
      "the causal mask of 'out' aligns its queries at the start of its keys, so its pattern does too, not at the end",
    ]);
    expect(notes([4, 0], 'start')).toEqual([
      "the causal mask of 'out' aligns its queries at the end of its keys, so its pattern does too, not at the start",
    ]);
    expect(notes([0, 0], 'start')).toEqual([]);
    expect(notes([4, 0], undefined)).toEqual([]);
    expect(notes([0, 0], 'end', full())).toEqual([]);
  });
});

describe('a note of the report', () => {
  beforeAll(() => setBackend('cpu'));
  const notesOf = (artifacts: GraphArtifacts): readonly string[] => rewriteGraphModel(artifacts, {pattern: full()}).report.notes;

  it('says that attention runs between channels', () => {
    const words = "queries and keys of 'transpose_10' are features of 'x' (channels), not positions: a pattern lies over features";
    expect(notesOf(graphCase('channels').artifacts)).toEqual([words]);
    expect(rewriteGraphModel(graphCase('channels').artifacts, {pattern: causal()}).report.notes).toEqual([words]);
  });

  it('says so too where weights make the channels, and not of positions that a reshape cuts', () => {
    const shapes = {q: [-1, 6, 4]};
    const weights = (...shape: number[]) => ({
      shape,
      values: Array.from({length: shape.reduce((a, b) => a * b)}, (_, i) => Math.sin(i)),
    });
    const projected = (name: string): object[] => [
      {name, op: 'Einsum', input: ['q', `${name}_w`], attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa('bnf,fhc->bhnc')}}},
    ];
    const constants = {a_w: weights(4, 2, 3), b_w: weights(4, 2, 3), c_w: weights(4, 2, 3)};
    const nodes = [...projected('a'), ...projected('b'), ...projected('c')] as ReturnType<typeof node>[];
    const between = (adjoint: {adj_x?: {b: true}; adj_y?: {b: true}}, last: ReturnType<typeof node>): GraphArtifacts =>
      attentionGraph(
        [...nodes, product('scores', 'a', 'b', adjoint), node('probs', 'Softmax', 'scores'), last],
        constants,
        ['out'],
        shapes,
      );
    expect(notesOf(between({adj_x: {b: true}}, product('out', 'c', 'probs', {adj_y: {b: true}})))).toEqual([
      jasmine.stringMatching(/^queries and keys of 'out' are features of 'a' \(channels\)/) as unknown as string,
    ]);
    expect(notesOf(between({adj_y: {b: true}}, product('out', 'probs', 'c')))).toEqual([]);
    // Windows: [batch, 12 positions, 8 features] to [batch, 4 windows, 3 positions, 8].
    const windows = attentionGraph(
      [
        node('x', 'Reshape', 'q', 'cut'),
        product('scores', 'x', 'x', {adj_y: {b: true}}),
        node('probs', 'Softmax', 'scores'),
        product('out', 'probs', 'x'),
      ],
      {cut: {shape: [4], values: [-1, 4, 3, 8], int: true}},
      ['out'],
      {q: [-1, 12, 8]},
    );
    expect(notesOf(windows)).toEqual([]);
  });

  it('says where the product of TensorFlow.js itself is wrong, and the swap computes what TensorFlow does', async () => {
    const {artifacts} = graphCase('one_key_head');
    const notes = notesOf(artifacts);
    expect(notes.length).toBe(2);
    for (const [i, name] of ['batchmatmulv2_6', 'batchmatmulv2_10'].entries()) {
      expect(notes[i]).toMatch(
        new RegExp(`^TensorFlow.js 4.22.0 multiplies wrongly in BatchMatMulV2 '${name}' where 'reshape_1' is broadcast`),
      );
    }
    const [x, y] = [draw([2, 7, 8], 1), draw([2, 7, 4], 2)];
    const found = (await run(rewriteGraphModel(artifacts, {pattern: full()}).artifacts, {x, y})).flat();
    const [xs, ys] = [await x.data(), await y.data()];
    for (const [batch, head] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const query = Array.from({length: 28}, (_, i) => xs[batch * 56 + Math.floor(i / 4) * 8 + head * 4 + (i % 4)]!);
      const key = ys.slice(batch * 28, (batch + 1) * 28);
      const rows = rowsOfAttention(query, key, key, 4, 0.5, () => true);
      rows.forEach((row, r) => row.forEach((value, d) => expect(found[batch * 56 + r * 8 + head * 4 + d]!).toBeCloseTo(value, 5)));
    }
  });

  it('is silent about products that TensorFlow.js multiplies rightly', () => {
    const plain = [scores, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'v')];
    for (const k of [
      [1, 1, -1, 4],
      [1, 2, -1, 4],
      [-1, 2, -1, 4],
    ]) {
      expect(notesOf(attentionGraph(plain, {}, ['out'], {q: [-1, 2, -1, 4], k, v: k}))).toEqual([]);
    }
  });
});
