import {readFileSync} from 'node:fs';
import * as tfCore from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs';
import * as splat from '../../src/index.js';
import * as layers from '../../src/layers/index.js';
import '../../src/chained.js';
import {blocksOf, runBlocks, type Scope} from '../support/doc_examples.js';
import {bert} from '../support/models/bert.js';

const MODULES = {
  '@tensorflow/tfjs': tf,
  '@tensorflow/tfjs-core': tfCore,
  '@tensorflow/tfjs-backend-webgpu': {},
  'tfjs-splat': splat,
  'tfjs-splat/chained': {},
  'tfjs-splat/layers': layers,
};

/** A console that keeps what it is told. */
const listen = (): {lines: string[]; console: {log(line: string): void}} => {
  const lines: string[] = [];
  return {lines, console: {log: (line) => void lines.push(line)}};
};

const random = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);
const finite = (tensor: unknown): boolean => tf.all(tf.isFinite(tensor as tf.Tensor)).dataSync()[0] === 1;
const number = (tensor: unknown): number => (tensor as tf.Tensor).dataSync()[0]!;

describe('the documents:', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  describe('README.md', () => {
    const [example, , generation] = blocksOf('README.md');

    it('has an example of 15 lines at most, which runs as it stands and prints what it computed', async () => {
      expect(example!.trim().split('\n').length).toBeLessThanOrEqual(15);
      const {lines, console} = listen();
      const {output} = await runBlocks([example!], MODULES, {console});
      expect((output as tf.Tensor).shape).toEqual([1, 8, 256, 64]);
      expect(finite(output)).toBeTrue();
      expect(lines[0]).toMatch(/^\d+\.\d % of the pairs, by the fused kernel: computes/);
      expect(lines[1]).toContain('█ full');
    });

    it('has a cache that generates as it stands, token by token', async () => {
      const [query, key, value] = [1, 2, 3].map((seed) => random([1, 8, 9, 64], seed));
      const {cache, output} = (await runBlocks([generation!], MODULES, {...splat, query, key, value})) as {
        cache: splat.KvCache;
        output: tf.Tensor;
      };
      expect(output.shape).toEqual([1, 8, 9, 64]);
      const next = random([1, 8, 1, 64], 4);
      expect(cache.attend(next, next, next).shape).toEqual([1, 8, 1, 64]);
      expect(cache.lengths).toEqual([10]);
      cache.dispose();
    });
  });

  describe('docs/architecture.md', () => {
    it('quotes the golden file as it is', () => {
      const golden = readFileSync('test/golden/window-and-globals.txt', 'utf8');
      const quotes = blocksOf('docs/architecture.md', 'golden');
      expect(quotes.length).toBe(4);
      for (const quote of quotes) expect(golden).toContain(quote);
    });
  });

  describe('docs/choosing.md', () => {
    it('predicts costs, and measures which share of the attention a pattern keeps', async () => {
      const [query, key, value] = [1, 2, 3].map((seed) => random([1, 2, 160, 8], seed));
      const {lines, console} = listen();
      const found = await runBlocks(blocksOf('docs/choosing.md'), MODULES, {...splat, tf, query, key, value, console});
      expect(lines.slice(0, 3).map((line) => line.slice(0, 5))).toEqual(['±128:', '±256:', '±512:']);
      for (const line of lines.slice(0, 3)) expect(line).toMatch(/: \d+\.\d % of the pairs, \d+\.\d × full$/);
      expect(lines[3]).toMatch(/^\d+\.\d % of the attention stays; the output moves by \d+\.\d %$/);
      // Random queries and keys: the share is near that of the pairs, which is what the formula must give here.
      const {density} = splat.planAttention(splat.slidingWindow({left: 64, right: 64}).or(splat.globalTokens(4)), {
        ...{queryLength: 160, keyLength: 160, headDim: 8},
      });
      expect(found['share'] as number).toBeCloseTo(density, 1);
      expect(found['error'] as number).toBeGreaterThan(0);
    });
  });

  describe('docs/guides/plain-code.md', () => {
    it('is one program that runs from top to bottom, and swaps without changing a number', async () => {
      const found = await runBlocks(blocksOf('docs/guides/plain-code.md'), MODULES);
      expect(number(found['difference'])).toBeLessThan(1e-5);
      expect((found['output'] as tf.Tensor).shape).toEqual([48, 32]);
      const losses = found['losses'] as number[];
      expect(losses.length).toBe(3);
      expect(losses[2]).toBeLessThan(losses[0]!);
      expect((found['chained'] as tf.Tensor).shape).toEqual([1, 2, 48, 16]);
      expect((found['state'] as tf.Tensor).shape).toEqual([1, 2, 1, 16]);
      expect(finite(found['state'])).toBeTrue();
    });

    it('has markup and settings that can be read', () => {
      for (const settings of blocksOf('docs/guides/plain-code.md', 'json'))
        expect(() => JSON.parse(settings) as unknown).not.toThrow();
      const [map] = blocksOf('docs/guides/plain-code.md', 'html').filter((html) => html.includes('importmap'));
      const {imports} = JSON.parse(/<script type="importmap">([\s\S]*?)<\/script>/.exec(map!)![1]!) as {
        imports: Record<string, string>;
      };
      expect(Object.keys(imports)).toContain('tfjs-splat');
      // What the guide says is what the application that is tested in a browser does.
      const app = readFileSync('test/apps/import_map/index.html', 'utf8');
      for (const [name, file] of Object.entries(imports)) expect(app).toContain(`"${name}": "${file}"`);
    });
  });

  describe('docs/guides/graph-models.md', () => {
    it('is one program that runs from top to bottom, and swaps without changing a number', async () => {
      const saved = new Map<string, tf.io.ModelArtifacts>();
      const sizes = {layers: 2, heads: 2, headDim: 6, ffn: 20, vocabulary: 40, positions: 64};
      saved.set('bert/model.json', bert(sizes).artifacts);
      register(saved, 'indexeddb://sparse-bert');
      const {lines, console} = listen();
      const found = await runBlocks(blocksOf('docs/guides/graph-models.md'), MODULES, {console});
      expect((found['logits'] as tf.Tensor).shape).toEqual([1, 2]);
      expect(finite(found['logits'])).toBeTrue();
      expect(number(found['difference'])).toBeLessThan(1e-5);
      expect(lines[0]).toMatch(/^2 of 2 attentions replaced, \d+ Einsum nodes made matrix products$/);
      expect(lines[1]).toMatch(/: scale 0\.408\d*, masks \S+$/);
      const byLayer = found['byLayer'] as splat.SwappedGraphModel;
      expect(byLayer.report.replaced.map(({pattern}) => pattern)).toEqual([
        'full()',
        'slidingWindow(left: 8, right: 8) or globalTokens(2)',
      ]);
      const {model, saved: again, inputs} = found as {model: tf.GraphModel; saved: tf.GraphModel; inputs: tf.NamedTensorMap};
      const run = (each: tf.GraphModel): tf.Tensor => each.execute(inputs, 'logits') as tf.Tensor;
      expect(number(tf.max(tf.abs(tf.sub(run(again), run(model)))))).toBe(0);
      // The window does change the numbers: the pattern has arrived.
      expect(number(tf.max(tf.abs(tf.sub(run(model), found['before'] as tf.Tensor))))).toBeGreaterThan(1e-4);
    });

    it('quotes what reports say', () => {
      const problem = (model: object): string =>
        splat.rewriteGraphModel(model as never, {pattern: splat.full()}).report.problems.join();
      const {artifacts} = bert({layers: 1, heads: 2, headDim: 6, ffn: 20, vocabulary: 40, positions: 64});
      const {weightData: _, ...bare} = artifacts;
      const guide = readFileSync('docs/guides/graph-models.md', 'utf8');
      const quotes = [...guide.matchAll(/^\| `([^`]+)` \|/gm)].map(([, quote]) => quote!);
      const said = [
        problem(bare),
        problem({
          ...artifacts,
          modelTopology: {node: [{name: 'x', op: 'Placeholder'}]},
          weightSpecs: [],
          weightData: new ArrayBuffer(0),
        }),
        problem({format: 'layers-model', modelTopology: {}}),
        splat
          .rewriteGraphModel(artifacts, {pattern: [splat.full(), splat.full()]})
          .report.problems.join()
          .replace('and 1 ', 'and 3 '),
      ];
      expect(quotes.length).toBe(4);
      quotes.forEach((quote, i) => expect(said[i]).toContain(quote));
    });
  });

  describe('docs/guides/layers-models.md', () => {
    it('is one program that runs from top to bottom', async () => {
      register(new Map([['keras/model.json', kerasModel()]]), 'indexeddb://classifier');
      const {lines, console} = listen();
      const found: Scope = await runBlocks(blocksOf('docs/guides/layers-models.md'), MODULES, {console});
      const report = found['report'] as layers.AttentionReport;
      expect(report.replaced.length).toBeGreaterThan(0);
      expect(lines.length).toBe(report.replaced.length + report.left.length);
      expect(lines[0]).toContain('full() → slidingWindow(left: 128, right: 128) or globalTokens(16)');
      const history = found['history'] as tf.History;
      expect(history.history['loss']!.length).toBe(2);
      const [classifier, again] = [found['classifier'], found['again']] as tf.LayersModel[];
      const texts = found['texts'] as tf.Tensor;
      const difference = tf.max(tf.abs(tf.sub(classifier!.predict(texts) as tf.Tensor, again!.predict(texts) as tf.Tensor)));
      expect(number(difference)).toBeLessThan(1e-6);
    });
  });
});

/** Answers the addresses of a guide from memory, as TensorFlow.js would find them; what is saved at `place` can be loaded again. */
function register(models: Map<string, tf.io.ModelArtifacts>, place: string): void {
  tf.io.registerLoadRouter((url) => {
    const artifacts = models.get(String(url));
    return artifacts === undefined ? (null as unknown as tf.io.IOHandler) : {load: () => Promise.resolve(artifacts)};
  });
  tf.io.registerSaveRouter((url) => {
    if (url !== place) return null as unknown as tf.io.IOHandler;
    return {
      save: (artifacts) => {
        models.set(place, artifacts);
        return Promise.resolve({modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}});
      },
    };
  });
}

/** A model.json that Keras 3 wrote. */
function kerasModel(): tf.io.ModelArtifacts {
  interface Stored {
    readonly modelTopology: object;
    readonly weights: readonly {readonly name: string; readonly shape: number[]; readonly values: number[]}[];
  }
  const {modelTopology, weights} = JSON.parse(readFileSync('test/fixtures/keras3_attention.json', 'utf8')) as Stored;
  const weightSpecs = weights.map(({name, shape}) => ({name, shape, dtype: 'float32' as const}));
  const weightData = new Float32Array(weights.flatMap(({values}) => values)).buffer;
  return {modelTopology, weightSpecs, weightData};
}
