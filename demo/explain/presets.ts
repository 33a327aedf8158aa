import {
  blockLocal,
  causal,
  documents,
  globalTokens,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../../src/pattern/index.js';

/** A ready-made pattern; `length` where it is made for one. */
export interface Preset {
  readonly name: string;
  readonly pattern: Pattern;
  readonly length?: number;
}

/** The kinds of test/corpus.ts and of the benchmark, at sizes that show their shape. */
export const PRESETS: readonly Preset[] = [
  {name: 'causal', pattern: causal()},
  {name: 'window', pattern: slidingWindow({left: 64, right: 64})},
  {name: 'Longformer', pattern: slidingWindow({left: 64, right: 64}).or(globalTokens(16))},
  {
    name: 'causal window, sinks',
    pattern: prefix(4)
      .or(slidingWindow({left: 127}))
      .and(causal()),
  },
  {name: 'dilated', pattern: slidingWindow({left: 16, right: 16, dilation: 8})},
  {
    name: 'strided and local',
    pattern: strided({stride: 64})
      .and(causal())
      .or(slidingWindow({left: 63})),
  },
  {name: 'blocks', pattern: blockLocal({size: 128})},
  {name: 'documents', pattern: documents([300, 52, 400, 272]).and(causal()), length: 1024},
  {name: 'prefix and causal', pattern: prefix(200).or(causal())},
  {name: 'all but a window', pattern: slidingWindow({left: 64, right: 64}).not()},
];
