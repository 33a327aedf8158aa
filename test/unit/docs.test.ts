import {readdirSync, readFileSync} from 'node:fs';
import * as splat from '../../src/index.js';
import {PROGRAMS, RUN_PAGES} from '../apps/docs/programs.mjs';
import {blocksOf} from '../support/doc_examples.js';
import {bert} from '../support/models/bert.js';

const GUIDES = readdirSync('docs/guides').map((name) => `docs/guides/${name}`);

describe('the code blocks of documents', () => {
  it('are all run as they stand, each page in a fresh process or browser page, by scripts/test_apps.mjs', () => {
    for (const page of ['README.md', 'docs/choosing.md', ...GUIDES]) {
      // test/apps/docs/build.ts makes the two of apps.md, which are not written in TypeScript.
      if (blocksOf(page).length > 0) expect(RUN_PAGES).withContext(page).toContain(page);
    }
    const alone = PROGRAMS.filter(({page}) => page === 'README.md').map(({block}) => block);
    expect(alone).toEqual(blocksOf('README.md').map((_, i) => i));
  });

  it('begin in README.md with one of 15 lines at most', () => {
    expect(blocksOf('README.md')[0]!.trim().split('\n').length).toBeLessThanOrEqual(15);
  });
});

describe('the documents:', () => {
  describe('docs/architecture.md', () => {
    const page = readFileSync('docs/architecture.md', 'utf8');
    const golden = readFileSync('test/golden/walk-through.txt', 'utf8');

    it('quotes the golden file as it is', () => {
      const quotes = blocksOf('docs/architecture.md', 'golden');
      expect(quotes.length).toBe(4);
      for (const quote of quotes) expect(golden).toContain(quote);
    });

    it('walks through an attention where sparse wins, in tiles, in prediction and as measured', () => {
      const [, computed, all, predicted] = /computes (\d+) key tiles where dense computes (\d+); predicted ([\d.]+)× faster/.exec(
        golden,
      )!;
      expect(4 * Number(computed)).toBeLessThan(Number(all));
      expect(Number(predicted)).toBeGreaterThan(4);
      const [, density, tileDensity] = /density ([\d.]+), tileDensity ([\d.]+)/.exec(golden)!;
      expect(Number(tileDensity)).toBeGreaterThan(4 * Number(density));
      const row = /^\| longformer \| 4096, 8 × 64 \| fused \| ([\d.]+) \| [\d.]+ \| [\d.]+ \| ([\d.]+) \|/m;
      const [, ours, dense] = row.exec(readFileSync('docs/benchmarks.md', 'utf8'))!;
      const quoted = /takes ([\d.]+) ms, and softmax\(QKᵀ\)V of TensorFlow\.js,\s+without a mask, ([\d.]+) /.exec(page)!;
      expect(quoted.slice(1)).toEqual([ours!, dense!]);
    });

    it('has words that stand in the files that it names for them', () => {
      const rows = [...page.slice(page.indexOf('## Words')).matchAll(/^\| ([\w, ]+) \| (.+) \| `(src\/[\w/.]+)` \|$/gm)];
      expect(rows.length).toBe(page.slice(page.indexOf('## Words')).match(/^\|/gm)!.length - 2);
      expect(new Set(rows.map(([, words]) => words)).size).toBe(rows.length);
      for (const [, words, , path] of rows) {
        const source = readFileSync(path!, 'utf8').toLowerCase();
        for (const word of words!.split(', '))
          expect(new RegExp(`\\b${word}`).test(source))
            .withContext(`${word}, ${path}`)
            .toBeTrue();
      }
    });
  });

  describe('docs/guides/plain-code.md', () => {
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
});
