export {SplatError, refuse, nearestName, type Refusal} from './errors.js';
export {ceilDiv, gcd, listOf, mod} from './ints.js';
export {Lru, type LruLimits} from './lru.js';
export {hash} from './hash.js';
export {keyOf} from './key.js';
export {isList, plainNumber, readNumbers, type NumberBlock} from './numbers.js';
export {rank4} from './rank4.js';
export {awaitOr, isPromise, say} from './say.js';
export {oneOf, readOptions, type Given, type NamesOf, type OptionWords} from './options.js';
