export type {MaskNode, PatternNode, PatternShape, ResolvedShape} from './node.js';
export {attends} from './attends.js';
export {checkFits, resolveShape} from './shape.js';
export {Pattern} from './pattern.js';
export type {PatternJSON} from './json.js';
export {
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  prefix,
  slidingWindow,
  strided,
  type SizeList,
} from './builders.js';
export {parsePattern} from './parse.js';
export {patternFromJSON} from './from_json.js';
export {refusePattern} from './wrong_pattern.js';
