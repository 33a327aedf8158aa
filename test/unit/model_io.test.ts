import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModel, loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {env, io, ones, setBackend, type Tensor} from '@tensorflow/tfjs-core';
import {sparseIOHandler, type SwapOptions, type SwapReport} from '../../src/model/index.js';
import {causal, full} from '../../src/pattern/index.js';
import {spellings} from '../support/attention_graphs.js';
import {refusal} from '../support/errors.js';

const {artifacts} = spellings.find(({title}) => title === 'a multiplication after the scores')!;
const expected: SwapReport = {
  found: 1,
  replaced: [
    {
      ...{name: 'out', softmax: 'probs', query: 'q', key: 'k', value: 'v', bias: [], causal: false, scale: 0.5, kept: []},
      axes: '*ld,*ld,*ld->*ld',
      pattern: 'full()',
    },
  ],
  left: [],
  einsums: 0,
  notes: [],
  problems: [],
  folded: {before: 1, after: 1, folds: [], left: []},
};

describe('sparseIOHandler', () => {
  beforeAll(() => setBackend('cpu'));

  it('takes a handler, keeps the report and tells it once', async () => {
    const told: SwapReport[] = [];
    const inner = {load: () => Promise.resolve(artifacts)};
    const handler = sparseIOHandler(inner, {pattern: full(), onReport: (report) => told.push(report)});
    expect(handler.report).toBeUndefined();
    await loadGraphModel(handler);
    expect(handler.report).toEqual(expected);
    expect(told).toEqual([expected]);
  });

  it('leaves weights and signature untouched', async () => {
    const loaded = await sparseIOHandler({load: () => Promise.resolve(artifacts)}, {pattern: full()}).load();
    expect(loaded.weightData).toBe(artifacts.weightData);
    expect(loaded.weightSpecs).toBe(artifacts.weightSpecs);
    expect(loaded.signature).toBe(artifacts.signature);
  });

  it('takes a URL, as tf.loadGraphModel does', async () => {
    const {modelTopology, signature, weightSpecs, weightData} = artifacts;
    const files: Record<string, BodyInit> = {
      'http://models.test/m/model.json': JSON.stringify({
        ...{modelTopology, signature, format: 'graph-model', generatedBy: null, convertedBy: null},
        weightsManifest: [{paths: ['group1.bin'], weights: weightSpecs}],
      }),
      'http://models.test/m/group1.bin': weightData as ArrayBuffer,
    };
    spyOn(env().platform, 'fetch').and.callFake((url) => Promise.resolve(new Response(files[url]!)));
    const handler = sparseIOHandler('http://models.test/m/model.json', {pattern: full()});
    await loadGraphModel(handler);
    expect(handler.report).toEqual(expected);
  });

  it('takes the URL of any registered scheme', async () => {
    io.registerLoadRouter((url) => (String(url).startsWith('splat-test://') ? {load: () => Promise.resolve(artifacts)} : null!));
    const handler = sparseIOHandler('splat-test://model', {pattern: full()});
    await loadGraphModel(handler);
    expect(handler.report).toEqual(expected);
  });

  it('buffers streamed weights, in chunks of any type', async () => {
    const bytes = new Uint8Array(artifacts.weightData as ArrayBuffer);
    const getWeightStream = (): ReadableStream<ArrayBuffer> =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(bytes.slice(0, 1).buffer);
          controller.enqueue(bytes.subarray(1) as unknown as ArrayBuffer);
          controller.close();
        },
      });
    const streamed = {...artifacts, weightData: undefined, getWeightStream};
    const handler = sparseIOHandler({load: () => Promise.resolve(streamed)}, {pattern: full()});
    const model = await loadGraphModel(handler);
    expect(handler.report).toEqual(expected);
    const output = model.execute({q: ones([1, 1, 2, 2]), k: ones([1, 1, 2, 2]), v: ones([1, 1, 2, 2])}) as Tensor;
    expect(Array.from(await output.data())).toEqual([1, 1, 1, 1]);
  });

  it('serves tf.loadGraphModelSync with artifacts or a sync handler', async () => {
    for (const source of [artifacts, {load: () => artifacts}]) {
      const handler = sparseIOHandler(source as io.ModelArtifacts, {pattern: causal(), implementation: 'dense'});
      const model = loadGraphModelSync(handler);
      expect(handler.report).toEqual({...expected, replaced: [{...expected.replaced[0]!, pattern: 'causal()'}]});
      const inputs = {q: ones([1, 1, 2, 1]), k: ones([1, 1, 2, 1]), v: ones([1, 1, 2, 1])};
      expect(Array.from(await (model.execute(inputs) as Tensor).data())).toEqual([1, 1]);
    }
  });

  it('refuses a missing pattern', () => {
    for (const options of [undefined, {}, {pattern: 'causal'}]) {
      const error = refusal(() => sparseIOHandler('model.json', options as unknown as SwapOptions));
      expect(error.thing).toBe('sparseIOHandler pattern');
      expect(error.expected).toBe('a Pattern, or an array of one for each attention');
      expect(error.cure).toContain('slidingWindow');
    }
  });

  it('refuses an unknown option and names the nearest', () => {
    const options = {pattern: full(), onreport: () => undefined} as unknown as SwapOptions;
    expect(refusal(() => sparseIOHandler('model.json', options)).message).toBe(
      "sparseIOHandler option 'onreport': found an unknown option, expected one of pattern, align, implementation, fold, onReport, strict. Did you mean 'onReport'?",
    );
    const far = {pattern: full(), quantize: true} as unknown as SwapOptions;
    expect(refusal(() => sparseIOHandler('model.json', far)).cure).toBe('Remove it.');
  });

  it('refuses an unknown implementation', () => {
    const options = {pattern: full(), implementation: 'fuse'} as unknown as SwapOptions;
    expect(refusal(() => sparseIOHandler('model.json', options)).cure).toBe("Did you mean 'fused'?");
  });

  it('refuses what is no source', () => {
    for (const source of [{}, null, undefined, 7]) {
      expect(refusal(() => sparseIOHandler(source as io.IOHandler, {pattern: full()})).thing).toBe('sparseIOHandler source');
    }
  });

  it('refuses a pattern of the wrong kind in an array, and what is no boolean', () => {
    const patterns = {pattern: [full(), 'causal']} as unknown as SwapOptions;
    const {thing, found} = refusal(() => sparseIOHandler('model.json', patterns));
    expect([thing, found]).toEqual(['sparseIOHandler pattern[1]', "the text 'causal'"]);
    const strict = {pattern: full(), strict: 'yes'} as unknown as SwapOptions;
    expect(refusal(() => sparseIOHandler('model.json', strict)).thing).toBe('sparseIOHandler strict');
  });
});
