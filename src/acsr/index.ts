export {MAX_RUNS, type Acsr, type Recurrence} from './acsr.js';
export {countBits, onesIn, paintKeys} from './bits.js';
export {checkAcsr} from './check.js';
export {compressingLines, compressLines, cutLines, mapRows, oneLine, rowsAt, type Lines, type LinesShape} from './lines.js';
export {compress} from './compress.js';
export {decodeRow} from './decode.js';
export {equals, type Equality} from './equals.js';
export {Steps} from './recurrence.js';
export {repeatBits} from './recurring_bits.js';
export {packedKeys, rowOffsets} from './packed.js';
export {reachOf, type Reach} from './reach.js';
export {cutRows, positionOf, repeatRows, slotOf, stackRows, toSlots, type SlotLayout} from './slots.js';
// The plan may not import the pattern room; what it needs of a shape comes through here.
export {resolveShape, type Lengths, type ResolvedShape} from '../pattern/index.js';
