export {MAX_RUNS, type Acsr} from './acsr.js';
export {paintKeys} from './bits.js';
export {checkAcsr} from './check.js';
export {compress} from './compress.js';
export {decodeRow} from './decode.js';
export {equals, type Equality} from './equals.js';
// The plan may not import the pattern room; what it needs of a shape comes through here.
export {resolveShape, type PatternShape, type ResolvedShape} from '../pattern/index.js';
