import {ITEM, KEY_ITEM, KEY_MERGE, MERGE, type Kinds} from '../../plan/index.js';
import {lines} from '../text/text.js';
import {pairOf} from './places.js';

/**
 * Which head of which sequence a workgroup works on: a line is one head of one sequence, and its rows are what the tensors hold of it. Tensors of
 * both layouts, and those that hold more than the heads of a call, are reached by strides, in rows.
 */
const LINE = 'let line = batch * params.heads + head;';
const QUERY_LINE = 'let queryLine = params.queryStrides.w + batch * params.queryStrides.z + head * params.queryStrides.x;';
const OUTPUT_LINE = 'let outputLine = batch * params.heads * params.queryLength + head * params.outputStrides.x;';
/** Of the sequence that lies in a row of a cache, or of a tensor. */
const keyLines = (row: string): string =>
  lines(
    `let keyLine = params.keyStrides.w + ${row} * params.keyStrides.z + head / params.groupSize * params.keyStrides.x;`,
    'let valueLine = keyLine + params.valuesBehind;',
  );
/** Of tensors that hold nothing else, as a backward pass and copies have them. */
const OWN_QUERY_LINE = 'let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;';
const OWN_KEY_LINE = 'let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;';

type OnGrid = Pick<Kinds, 'heads' | 'batch'>;

/** Head and sequence of a record: what is not on the grid stands in its `line`. `head` and `batch` are those on the grid. */
function namesOf({heads, batch}: OnGrid, place: string, onGrid: {readonly head: string; readonly batch: string}): string {
  if (heads === 'grid' && batch === 'grid') return lines(`let head = ${onGrid.head};`, `let batch = ${onGrid.batch};`);
  const named = `let named = u32(${place}.y); // of what is not on the grid`;
  if (heads === 'grid') return lines(named, `let head = ${onGrid.head};`, 'let batch = named;');
  if (batch === 'grid') return lines(named, 'let head = named;', `let batch = ${onGrid.batch};`);
  return lines(named, 'let head = named % params.heads;', 'let batch = named / params.heads;');
}

/** The line that slots are counted on: of what is on the grid. `all` is its name where that is everything. */
const slotLineOf = ({heads, batch}: OnGrid, all: string): string =>
  heads === 'grid' ? (batch === 'grid' ? all : 'group.x') : batch === 'grid' ? 'group.z' : '0u';

const FORMATS = {item: ITEM, merge: MERGE, keyItem: KEY_ITEM, keyMerge: KEY_MERGE} as const;
type Record = keyof typeof FORMATS;
const placeOf = (record: Record): string => pairOf(FORMATS[record], 'place', 'item');

/** `held`: keys lie in a cache, whose rows any sequence may have. */
export const linesOf = (kinds: OnGrid, record: 'item' | 'merge', held = false): string =>
  lines(
    namesOf(kinds, placeOf(record), {head: 'group.x', batch: 'group.z'}),
    LINE,
    QUERY_LINE,
    keyLines(held ? 'u32(rowOf(batch).x)' : 'batch'),
    OUTPUT_LINE,
  );

/**
 * The same for kernels that read copies. Fewer numbers live through the loop, which is what tensor cores have registers for: with strides of
 * query, key, value and output apart, Longformer took 1.38 times as long and causal 1.15 to 1.18 (H200, n = 4096, 16,384, 2026-11-30).
 */
export const linesOfCopies = (kinds: OnGrid): string =>
  lines(
    namesOf(kinds, placeOf('item'), {head: 'group.x', batch: 'group.z'}),
    LINE,
    OWN_QUERY_LINE,
    OWN_KEY_LINE,
    'let valueLine = keyLine;',
    'let outputLine = queryLine;',
  );

export const slotLine = (kinds: OnGrid): string => slotLineOf(kinds, 'line');

/** The same in a backward pass, whose dispatches cover a share of the lines: `shareLine` counts those alone, as scratch holds them. */
export const shareLinesOf = (kinds: OnGrid, record: Exclude<Record, 'keyMerge'>): string =>
  lines(
    namesOf(kinds, placeOf(record), {head: 'params.firstHead + group.x', batch: 'params.firstBatch + group.z'}),
    LINE,
    kinds.heads === 'grid' && kinds.batch === 'grid'
      ? 'let shareLine = group.z * params.shareHeads + group.x;'
      : 'let shareLine = (batch - params.firstBatch) * params.shareHeads + head - params.firstHead;',
    OWN_QUERY_LINE,
    OWN_KEY_LINE,
  );

export const shareSlotLine = (kinds: OnGrid): string => slotLineOf(kinds, 'shareLine');

/**
 * Merges of keys: a workgroup works on a head of keys, on all of its query heads or on those that the share has. Where items name their heads,
 * a merge names a query head, whose slots alone it sums: heads that share a head of keys add to it one after another.
 */
export const keyMergeLines = (kinds: OnGrid): string => {
  const {heads, batch} = kinds;
  const grid = {head: 'params.firstHead / params.groupSize + group.x', batch: 'params.firstBatch + group.z'};
  const first = `${batch === 'grid' ? 'group.z * params.shareHeads + ' : ''}group.x * params.groupSize`;
  return lines(
    heads === 'grid'
      ? namesOf(kinds, placeOf('keyMerge'), grid)
      : namesOf(kinds, placeOf('keyMerge'), grid).replace('let head = ', 'let queryHead = '),
    heads === 'grid' ? '' : 'let head = queryHead / params.groupSize;',
    heads === 'grid'
      ? lines(`let firstLine = ${first};`, 'let lineEnd = firstLine + min(params.groupSize, params.shareHeads);')
      : lines(`let firstLine = ${slotLineOf(kinds, '')};`, 'let lineEnd = firstLine + 1u;'),
    'let keyLine = batch * params.keyHeads * params.keyLength + head * params.keyStrides.x;',
  );
};

/**
 * All lines that a bias is broadcast to, in turn, up to the brace of the loop; `written` is the one of the bias. Items of several heads that share
 * a bias must not run at once: where items name theirs, a dispatch has one turn, that of `firstHead` and `firstBatch`.
 */
export function everyLine(kinds: OnGrid): string {
  const {heads, batch} = kinds;
  const named = heads === 'item' || batch === 'item';
  const place = namesOf(kinds, placeOf('item'), {head: 'group.x', batch: 'group.z'}).replace(/\b(head|batch) =/g, '$1Here =');
  const turns = (axis: 'heads' | 'batch', flag: string): string =>
    kinds[axis] === 'grid' ? `select(1u, params.${axis}, (params.flags & ${flag}) != 0u)` : '1u';
  const ofBias = (axis: 'heads' | 'batch', here: string, flag: string): string =>
    kinds[axis] === 'grid' ? here : `select(${here}, 0u, (params.flags & ${flag}) != 0u)`;
  const headsOfBias =
    heads === 'grid' ? '(params.heads / loopHeads)' : 'select(params.heads, 1u, (params.flags & SUMS_HEADS) != 0u)';
  const [headHere, batchHere] = named ? ['headHere', 'batchHere'] : ['group.x', 'group.z'];
  return lines(
    'const SUMS_BATCH = 8u;',
    'const SUMS_HEADS = 16u;',
    named ? place : '',
    heads === 'item' ? 'if ((params.flags & SUMS_HEADS) != 0u && headHere != params.firstHead) { return; }' : '',
    batch === 'item' ? 'if ((params.flags & SUMS_BATCH) != 0u && batchHere != params.firstBatch) { return; }' : '',
    `let loopHeads = ${turns('heads', 'SUMS_HEADS')};`,
    `let loopBatch = ${turns('batch', 'SUMS_BATCH')};`,
    `let written = ${ofBias('batch', batchHere, 'SUMS_BATCH')} * ${headsOfBias} + ${ofBias('heads', headHere, 'SUMS_HEADS')};`,
    'for (var turn = 0u; turn < loopHeads * loopBatch; turn++) {',
    `let head = select(${headHere}, turn % loopHeads, loopHeads > 1u);`,
    `let batch = select(${batchHere}, turn / loopHeads, loopBatch > 1u);`,
    LINE,
    'let shareLine = line; // one share covers all',
    OWN_QUERY_LINE,
    OWN_KEY_LINE,
  );
}
