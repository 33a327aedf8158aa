export {SplatError, refuse, nearestName, type Refusal} from './errors.js';
export {ceilDiv, gcd, mod} from './ints.js';
export {Lru, type LruLimits} from './lru.js';
export {hash} from './hash.js';
export {keyOf} from './key.js';
