// What the pattern gallery shows. `npm run gallery` draws it; docs/gallery.md is the result.
import * as splat from '../src/pattern/index.js';
import type {Pattern} from '../src/pattern/index.js';

/** One picture of the gallery. Its `code` is what a user writes for 4,096 tokens; `drawn` is the same idea at 64, where it can be seen. */
export interface Exhibit {
  readonly name: string;
  readonly title: string;
  readonly code: string;
  readonly drawn: string;
  /** What it says and what it is for. */
  readonly says: string;
}

export const LENGTH = 4096;
export const DRAWN_LENGTH = 64;

export const WORDS: readonly Exhibit[] = [
  {
    name: 'full',
    title: 'Full',
    code: 'full()',
    drawn: 'full()',
    says: 'Everybody attends to everybody: dense attention, without its matrix of scores. Begin with it; then see what you can leave out.',
  },
  {
    name: 'causal',
    title: 'Causal',
    code: 'causal()',
    drawn: 'causal()',
    says: 'Keys up to the query’s own position. Language models that generate are trained with it; `and` it to anything to make that causal.',
  },
  {
    name: 'sliding-window',
    title: 'Sliding window',
    code: 'slidingWindow({left: 256, right: 256})',
    drawn: 'slidingWindow({left: 8, right: 8})',
    says: 'So many keys to each side, both ends included. For encoders of text, sound and signals; layers add up, so four of them see 1,024 tokens far.',
  },
  {
    name: 'causal-window',
    title: 'Causal window',
    code: 'slidingWindow({left: 511})',
    drawn: 'slidingWindow({left: 11})',
    says: 'The last 512 keys, the query’s own among them. For long generation: a `KvCache` for it holds those keys and no more, however long the text.',
  },
  {
    name: 'dilated-window',
    title: 'Dilated window',
    code: 'slidingWindow({left: 64, right: 64, dilation: 8})',
    drawn: 'slidingWindow({left: 5, right: 5, dilation: 4})',
    says: 'Every eighth key, 64 to each side: a reach of 512 for the price of 129 keys. For upper layers, above others that look at the neighbourhood.',
  },
  {
    name: 'strided',
    title: 'Strided',
    code: 'strided({stride: 128})',
    drawn: 'strided({stride: 8})',
    says: 'Every 128th key, before and after. In a picture that is stored row by row, a stride of its width is the column.',
  },
  {
    name: 'block-local',
    title: 'Block local',
    code: 'blockLocal({size: 256})',
    drawn: 'blockLocal({size: 16})',
    says: 'Blocks of 256 that keep to themselves: chunks of a stream, rows of a picture. The cheapest kind: where blocks are multiples of 64, no tile is partial.',
  },
  {
    name: 'global-tokens',
    title: 'Global tokens',
    code: 'globalTokens(64)',
    drawn: 'globalTokens(4)',
    says: 'The first 64 tokens attend to all and all attend to them. Rarely alone: they carry news between windows that never meet.',
  },
  {
    name: 'listed-globals',
    title: 'Global tokens, listed',
    code: 'globalTokens([0, 1024, 2048, 3072])',
    drawn: 'globalTokens([0, 16, 32, 48])',
    says: 'The same for tokens anywhere: the first of each section, a question inside its context.',
  },
  {
    name: 'prefix',
    title: 'Prefix',
    code: 'prefix(64)',
    drawn: 'prefix(6)',
    says: 'Everybody attends to the first 64 keys, and to nothing else. A building block: instructions, memory tokens, attention sinks.',
  },
  {
    name: 'documents',
    title: 'Documents',
    code: 'documents([1500, 700, 1896])',
    drawn: 'documents([22, 11, 31])',
    says: 'Texts packed into one sequence, each to itself. The lengths must sum to the length of the keys; lengths that differ by call are better off as `segmentIds`.',
  },
  {
    name: 'mask',
    title: 'Any mask',
    code: 'fromMask(mask, {queryLength: 4096, keyLength: 4096})',
    drawn: 'fromMask(mask, {queryLength: 64, keyLength: 64})',
    says: 'An array of booleans, here 5 % at random. Its order is found where it has one; this has none, so the dense kernel reads it as packed bits: memory for n²/8 bytes and no time saved. Block masks fare better, see BigBird.',
  },
];

export const COMPOSITIONS: readonly Exhibit[] = [
  {
    name: 'longformer',
    title: 'Longformer: window and global tokens',
    code: 'slidingWindow({left: 256, right: 256}).or(globalTokens(64))',
    drawn: 'slidingWindow({left: 8, right: 8}).or(globalTokens(4))',
    says: 'Details from near, the whole from 64 tokens. The first choice for classification, question answering and retrieval over long documents (arXiv 2004.05150).',
  },
  {
    name: 'streaming',
    title: 'Sinks and a window: streaming',
    code: 'prefix(4).or(slidingWindow({left: 511})).and(causal())',
    drawn: 'prefix(3).or(slidingWindow({left: 11})).and(causal())',
    says: 'A trained causal model puts weight on its first tokens; keep four, and a window works on a text without end (StreamingLLM, arXiv 2309.17453).',
  },
  {
    name: 'sparse-transformer',
    title: 'Sparse Transformer: strided and local',
    code: 'strided({stride: 128}).and(causal()).or(slidingWindow({left: 127}))',
    drawn: 'strided({stride: 8}).and(causal()).or(slidingWindow({left: 7}))',
    says: 'The last 128 keys, and every 128th before: any token reaches any earlier one in two layers (arXiv 1904.10509). For pictures, music, code with long lines.',
  },
  {
    name: 'causal-longformer',
    title: 'Causal window and global tokens',
    code: 'slidingWindow({left: 511}).or(globalTokens(64)).and(causal())',
    drawn: 'slidingWindow({left: 11}).or(globalTokens(4)).and(causal())',
    says: 'A decoder that keeps its instructions in sight. Causal makes the global rows short: only the columns remain.',
  },
  {
    name: 'prefix-lm',
    title: 'Prefix language model',
    code: 'prefix(1024).or(causal())',
    drawn: 'prefix(16).or(causal())',
    says: 'The prompt of 1,024 tokens reads itself in both directions, the answer is causal. For models that answer about a text or a picture they were given.',
  },
  {
    name: 'packed-causal',
    title: 'Packed documents, causal',
    code: 'documents([1500, 700, 1896]).and(causal())',
    drawn: 'documents([22, 11, 31]).and(causal())',
    says: 'Several training texts in one row of the batch, none of which sees another.',
  },
  {
    name: 'two-scales',
    title: 'Two scales',
    code: 'slidingWindow({left: 64, right: 64}).or(slidingWindow({left: 64, right: 64, dilation: 8}))',
    drawn: 'slidingWindow({left: 4, right: 4}).or(slidingWindow({left: 5, right: 5, dilation: 4}))',
    says: 'Every neighbour near by, every eighth further out. For sound and sensors, where what is far may be coarse.',
  },
  {
    name: 'axial',
    title: 'Axial: rows and columns of a picture',
    code: 'blockLocal({size: 64}).or(strided({stride: 64}))',
    drawn: 'blockLocal({size: 8}).or(strided({stride: 8}))',
    says: 'A picture of 64 × 64 as a sequence: a pixel attends to its row (a block) and its column (a stride), 127 pixels instead of 4,096.',
  },
  {
    name: 'big-bird',
    title: 'BigBird: window, global tokens, random blocks',
    code: 'slidingWindow({left: 192, right: 192}).or(globalTokens(128)).or(fromMask(blocks, {queryLength: 4096, keyLength: 4096}))',
    drawn: 'slidingWindow({left: 6, right: 6}).or(globalTokens(4)).or(fromMask(blocks, {queryLength: 64, keyLength: 64}))',
    says: 'Besides, three blocks of 64 keys at random for every 64 queries (arXiv 2007.14062), as a mask. Its runs are recognised, so the blocks go through the fused kernel with the rest.',
  },
  {
    name: 'all-but-near',
    title: 'Not: all but the neighbourhood',
    code: 'slidingWindow({left: 128, right: 128}).not()',
    drawn: 'slidingWindow({left: 8, right: 8}).not()',
    says: '`not` turns any pattern round. Here far tokens only, as the second half of a pair of heads; `documents(…).not()` looks across documents.',
  },
];

/** A repeatable stand-in for chance: the high bits of a hash of two numbers, 0 ≤ x < 1. */
export function chance(a: number, b: number): number {
  let hash = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
}

/** The pattern that a line of code makes at `length` tokens, run as a user would run it. */
export function evaluate(code: string, length: number): Pattern {
  const fill = (attends: (query: number, key: number) => boolean): Uint8Array =>
    Uint8Array.from({length: length * length}, (_, i) => (attends(Math.floor(i / length), i % length) ? 1 : 0));
  const block = length === DRAWN_LENGTH ? 4 : 64;
  // Lazily: a mask of 4,096 × 4,096 takes a second.
  const variables = {
    mask: () => fill((query, key) => chance(query, key) < 0.05),
    blocks: () => fill((query, key) => chance(Math.floor(query / block), Math.floor(key / block)) < (3 * block) / length),
  };
  const scope: Record<string, unknown> = {...splat};
  for (const [name, make] of Object.entries(variables)) if (new RegExp(`\\b${name}\\b`).test(code)) scope[name] = make();
  const run = new Function(...Object.keys(scope), `return ${code};`) as (...values: unknown[]) => Pattern;
  return run(...Object.values(scope));
}
