import type {Pattern} from '../src/index.js';
import {blockLocal, causal, full, globalTokens, slidingWindow, strided} from '../src/index.js';

/** A pattern of the benchmark. `attends` says the same in plain arithmetic, so that a wrong pattern cannot be timed. */
export interface BenchPattern {
  readonly name: string;
  readonly says: string;
  readonly pattern: Pattern;
  attends(query: number, key: number, head?: number): boolean;
}

export const PATTERNS: readonly BenchPattern[] = [
  {name: 'causal', says: 'j ≤ i', pattern: causal(), attends: (i, j) => j <= i},
  {
    name: 'window',
    says: '|i − j| ≤ 256',
    pattern: slidingWindow({left: 256, right: 256}),
    attends: (i, j) => Math.abs(i - j) <= 256,
  },
  {
    name: 'causalWindow',
    says: '0 ≤ i − j < 512',
    pattern: slidingWindow({left: 511}),
    attends: (i, j) => j <= i && i - j < 512,
  },
  {
    name: 'dilated',
    says: '|i − j| ≤ 512, step 8',
    pattern: slidingWindow({left: 64, right: 64, dilation: 8}),
    attends: (i, j) => Math.abs(i - j) <= 512 && (i - j) % 8 === 0,
  },
  {
    name: 'strided',
    says: 'j ≤ i, i − j < 128 or (i − j) mod 128 = 0',
    pattern: strided({stride: 128})
      .and(causal())
      .or(slidingWindow({left: 127})),
    attends: (i, j) => j <= i && (i - j < 128 || (i - j) % 128 === 0),
  },
  {
    name: 'blockLocal',
    says: '⌊i/256⌋ = ⌊j/256⌋',
    pattern: blockLocal({size: 256}),
    attends: (i, j) => Math.floor(i / 256) === Math.floor(j / 256),
  },
  {
    name: 'longformer',
    says: '|i − j| ≤ 256 or i < 64 or j < 64',
    pattern: slidingWindow({left: 256, right: 256}).or(globalTokens(64)),
    attends: (i, j) => Math.abs(i - j) <= 256 || i < 64 || j < 64,
  },
  {name: 'full', says: 'every key', pattern: full(), attends: () => true},
  {
    name: 'window64',
    says: '|i − j| ≤ 64',
    pattern: slidingWindow({left: 64, right: 64}),
    attends: (i, j) => Math.abs(i - j) <= 64,
  },
];
