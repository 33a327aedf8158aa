import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {dirname, join, normalize} from 'node:path';
import {galleryFiles} from '../../scripts/gallery.js';
import {chance} from '../../scripts/gallery_patterns.js';
import * as patterns from '../../src/pattern/index.js';
import type {Pattern} from '../../src/pattern/index.js';
import {fromMask, full, planAttention} from '../../src/index.js';

const read = (path: string): string => readFileSync(path, 'utf8');
const inDocs = (ending: string): string[] =>
  (readdirSync('docs', {recursive: true}) as string[])
    .filter((path) => path.endsWith(ending))
    .map((path) => normalize(`docs/${path}`));

const PAGES = ['README.md', 'CHANGELOG.md', ...inDocs('.md')];

/** Text without code, in which brackets are no links. */
const prose = (markdown: string): string => markdown.replace(/^( *)```[\s\S]*?^\1```/gm, '').replace(/`[^`\n]*`/g, '');

/** What a page's links lead to: relative paths, the anchor behind `#`. */
function linksOf(markdown: string): string[] {
  const text = prose(markdown);
  const found = [...text.matchAll(/\]\(([^)\s]+)\)/g), ...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link]) => link!);
  return found.filter((link) => !/^[a-z]+:/.test(link));
}

/** The anchors of a page's headings, as GitHub and TypeDoc make them. */
const anchorsOf = (markdown: string): string[] =>
  [...markdown.replace(/^( *)```[\s\S]*?^\1```/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );

/** The cells of the tables of a page, row by row. Cells may hold `\|`. */
const rowsOf = (markdown: string): string[][] =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

describe('links', () => {
  for (const page of PAGES) {
    it(`of ${page} lead to files, and to headings in them`, () => {
      for (const link of linksOf(read(page))) {
        const [path, anchor] = link.split('#') as [string, string?];
        const target = path === '' ? page : join(dirname(page), path);
        expect(existsSync(target)).withContext(link).toBeTrue();
        if (anchor !== undefined)
          expect(anchorsOf(read(target)))
            .withContext(link)
            .toContain(anchor);
      }
    });
  }

  it('are found at all', () => {
    expect(linksOf(read('docs/gallery.md')).length).toBeGreaterThan(40);
    expect(linksOf('a [link](b.md#c), `[no](link)`, <img src="d.svg">')).toEqual(['b.md#c', 'd.svg']);
    expect(anchorsOf('# One two\n```sh\n# no heading\n```\n## Not: `all`, but')).toEqual(['one-two', 'not-all-but']);
  });
});

describe('names', () => {
  const pages = PAGES.filter((page) => !/decisions|CHANGELOG/.test(page));

  it('of files and folders are those of the project', () => {
    let count = 0;
    for (const page of pages) {
      for (const [, path] of read(page).matchAll(/`((?:src|test|scripts|bench|demo|docs)\/[\w./-]*)`/g)) {
        expect(existsSync(path!)).withContext(`${page}: ${path}`).toBeTrue();
        count++;
      }
    }
    expect(count).toBeGreaterThan(20);
  });

  it('of commands are scripts of package.json', () => {
    const {scripts} = JSON.parse(read('package.json')) as {scripts: Record<string, string>};
    for (const page of pages) {
      for (const [, name] of read(page).matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
        expect(Object.keys(scripts)).withContext(page).toContain(name!);
      }
    }
  });
});

describe('the gallery', () => {
  it('is what npm run gallery writes', () => {
    const made = galleryFiles();
    const pictures = inDocs('.svg').map((path) => path.slice('docs/'.length));
    expect(pictures.sort()).toEqual([...made.keys()].filter((path) => path.endsWith('.svg')).sort());
    for (const [path, text] of made) {
      expect(read(`docs/${path}`) === text)
        .withContext(`docs/${path}: run npm run gallery and look at the diff`)
        .toBeTrue();
    }
  });
});

describe('docs/choosing.md', () => {
  const choosing = read('docs/choosing.md');

  it('quotes the times and tile densities of docs/benchmarks.md', () => {
    const [, h200] = /<!-- results: h200 -->([\s\S]*?)<!-- end of results: h200 -->/.exec(read('docs/benchmarks.md'))!;
    const measured = rowsOf(h200!).filter((row) => row[2] === 'fused');
    const quoted = rowsOf(choosing).filter(
      ([name, ...cells]) => cells.length === 4 && measured.some(([pattern]) => pattern === name),
    );
    expect(quoted.length).toBe(7);
    for (const [name, ...cells] of quoted) {
      const found = ['1024', '4096', '16384'].map((n) => measured.find((row) => row[0] === name && row[1] === `${n}, 8 × 64`)!);
      expect(cells)
        .withContext(name!)
        .toEqual([...found.map((row) => row[3]!), found[2]![5]!]);
    }
  });

  it('says of blocks and windows what plans predict', () => {
    const shape = {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8};
    const dense = planAttention(full(), shape).costMs;
    const gain = (block: number): string => (dense / planAttention(randomBlocks(block), shape).costMs).toPrecision(2);
    const [, sixteen, thirtyTwo, sixtyFour] =
      /16 × 16 are predicted ([\d.]+)\s+times as fast as `full\(\)`, of 32 × 32 ([\d.]+) times, of 64 × 64 ([\d.]+) times/.exec(
        choosing,
      )!;
    expect([sixteen, thirtyTwo, sixtyFour]).toEqual([16, 32, 64].map(gain));
    const tiles = (side: number): number => {
      const plan = planAttention(patterns.slidingWindow({left: side, right: side}), shape);
      return Math.round(plan.nnz / plan.tileDensity / shape.queryLength / 64);
    };
    expect(choosing).toContain('±128 computes 5 of them for each 64 rows, ±140 computes 6, and so does ±160');
    expect([128, 140, 160].map(tiles)).toEqual([5, 6, 6]);
  });

  /** What each system documents, with p = query + keyLength − queryLength; `w`, `l` and the like as the table calls them. */
  const ELSEWHERE: Record<string, (numbers: Numbers) => boolean> = {
    'FlashAttention `window_size=(l, r)`': ({p, key, l, r}) => key >= p - l && key <= p + r,
    'FlashAttention ≥ 2.1, FlashInfer `causal=True`': ({p, key}) => key <= p,
    'PyTorch `is_causal=True`, Keras `use_causal_mask`, xFormers `LowerTriangularMask`': ({query, key}) => key <= query,
    'JAX splash `LocalMask((l, r))`, `CausalMask(offset)`': ({p, key, l, r}) => key >= p - l && key <= p + r,
    'Mistral and kin, `sliding_window` w': ({p, key, w}) => key <= p && key > p - w,
    'attention-gym `sliding_window(w)`': ({p, key, w}) => key <= p && p - key <= w,
    'attention-gym dilated window (w, d)': ({p, key, w, d}) => key <= p && p - key <= w && (p - key) % d === 0,
    'Keras `sliding_window` w': ({p, key, w}) => Math.abs(p - key) < w,
    'Longformer `attention_window` w': ({p, key, w}) => Math.abs(p - key) <= w / 2,
    'NATTEN kernel k, dilation d, away from the borders': ({p, key, k, d}) =>
      Math.abs(p - key) <= ((k - 1) / 2) * d && (p - key) % d === 0,
  };
  for (const [there, formula] of Object.entries(ELSEWHERE)) {
    it(`translates ${there}`, () => {
      const [, here] = rowsOf(choosing).find(([name]) => name === there)!;
      const [, code, offset] = /^`([^`]+)`(?:.*`queryOffset: (\w+)`)?/.exec(here!)!;
      for (const [queryLength, keyLength] of [
        [40, 40],
        [23, 40],
      ] as const) {
        const numbers = {w: 6, l: 3, r: 2, k: 5, d: 3};
        const pattern = evaluate(code!, numbers);
        const queryOffset = offset === '0' ? 0 : keyLength - queryLength;
        const shape = {queryLength, keyLength, queryOffset};
        for (let query = 0; query < queryLength; query++) {
          for (let key = 0; key < keyLength; key++) {
            const p = query + queryOffset;
            const expected = formula({...numbers, p, query, key});
            if (pattern.attends(query, key, shape) !== expected) fail(`${code}: query ${query}, key ${key} of ${keyLength}`);
          }
        }
      }
      expect(code).toMatch(/^(slidingWindow|causal)\(/);
    });
  }
});

type Numbers = Record<'p' | 'query' | 'key' | 'w' | 'l' | 'r' | 'k' | 'd', number>;

function evaluate(code: string, numbers: Record<string, number>): Pattern {
  const scope = {...patterns, ...numbers};
  return (new Function(...Object.keys(scope), `return ${code}`) as (...values: unknown[]) => Pattern)(...Object.values(scope));
}

/** One block in twenty. */
function randomBlocks(block: number): Pattern {
  const length = 4096;
  const mask = new Uint8Array(length * length);
  for (let row = 0; row < length / block; row++) {
    for (let column = 0; column < length / block; column++) {
      if (chance(row, column) >= 0.05) continue;
      for (let y = row * block; y < (row + 1) * block; y++)
        mask.fill(1, y * length + column * block, y * length + (column + 1) * block);
    }
  }
  return fromMask(mask, {queryLength: length, keyLength: length});
}
