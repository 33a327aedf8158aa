import {isRowWise, type Kinds, ITEM, KEY_ITEM, SPAN, VISIT} from '../../plan/index.js';
import type {Features} from '../text/features.js';
import {program} from '../text/make_program.js';
import {NUMBERS} from '../text/numbers.js';
import {ITEMS_FIRST} from '../text/params.js';
import {paramsOf} from '../terms/fields.js';
import {unitText} from '../terms/unit.js';
import type {BindingRole, Program} from '../text/program.js';
import type {RowAccess} from '../text/row_access.js';
import {lines} from '../text/text.js';
import {plain, textOf, type Block, type Flow} from './flow.js';
import {maskFunctions, spanMask, type Masked} from './mask.js';
import {itemWords, keyRows, letPair, ownSpanNumber, pairOf, placeFunctions, recordFrom} from './places.js';
import type {Scoring} from './scoring.js';
import {hasStates, letState, stateFunctions} from './states.js';
import type {Grid} from './tile_math.js';

/** A buffer that a kernel reads or writes, and the functions that reach it. */
export interface Operand {
  readonly role: BindingRole;
  readonly element: string;
  readonly functions?: string;
  readonly writes?: boolean;
}

export const rowsIn = (role: BindingRole, {element, functions}: RowAccess): Operand => ({role, element, functions});
export const rowsOut = (role: BindingRole, access: RowAccess): Operand => ({...rowsIn(role, access), writes: true});
/** Those that terms of scores bind. */
export const termOperands = ({bindings}: Scoring): Operand[] => bindings.map((role) => ({role, element: 'f32'}));
export const SCHEDULE: Operand = {role: 'schedule', element: 'vec2i'};

/**
 * A kernel that owns a tile of rows (or keys) and visits the keys (or rows) that its item lists, a tile at a time. The shell has the words
 * of items and spans, the two loops, the mask and the barriers; a kernel says what it keeps, what it does in a tile, and what it writes.
 */
export interface TileKernel {
  readonly name: string;
  /** Comments and constants at the head of the text. */
  readonly says: string;
  /** In the order of their bindings, behind `params`. */
  readonly operands: readonly Operand[];
  readonly directives?: readonly string[];
  readonly features: Features;
  readonly functions: string;
  readonly masked: Masked;
  readonly memory: {readonly element: 'vec4f' | 'vec4u'; readonly units: number};
  /** From the item to its head and sequence; or a loop over several of them, up to its brace. */
  readonly lines: string | {readonly open: string};
  /** In front of the loops: what an invocation owns, and what it sums up. */
  readonly before: readonly Flow[];
  /** In front of the tiles of a span, or of a visit. Default nothing. */
  readonly span?: readonly Flow[];
  /** What is done in each tile; where rows have spans of their own, with the loop over their keys. */
  readonly tile: readonly Flow[];
  readonly after: readonly Flow[];
}

/** The loop over the spans of an item, and in it that over their tiles. `keys` stands behind the keys of a span, `mask` behind all of its words; `from` and `step` lead from key tile to key tile. */
export function overTiles(
  {owns, clip, size}: Pick<Masked, 'owns' | 'clip' | 'size'>,
  {keys, mask}: {readonly keys: string; readonly mask: readonly Flow[]},
  tile: readonly Flow[],
  {runs = 'any', from = 'y.x', step = `y0 += ${size}`}: {runs?: 'any' | 'some'; from?: string; step?: string} = {},
): Block {
  const [open, words, tiles] =
    owns === 'rows'
      ? [
          lines(
            '\nfor (var number = spanRange.x; number < spanRange.y; number++) {',
            `let span = ${recordFrom('params.spans', SPAN, 'u32(number)')};`,
            letPair(SPAN, 'keysOf', 'span'),
          ),
          lines(`${clip === '' ? 'let' : 'var'} y = ${pairOf(SPAN, 'y', 'span')}; // (begin, end)`, clip),
          `for (var y0 = ${from}; y0 < y.y; ${step}) {`,
        ]
      : [
          lines(
            '\nfor (var number = visitRange.x; number < visitRange.y; number++) {',
            `let visit = ${recordFrom('params.spans', VISIT, 'u32(number)')};`,
            letPair(VISIT, 'rowsOf', 'visit'),
          ),
          `let visited = ${pairOf(VISIT, 'y', 'visit')}; // (begin, end) of rows`,
          `for (var begin = visited.x; begin < visited.y; begin += ${size}) {`,
        ];
  return {open, body: [plain(lines(keys, words)), ...mask, {open: tiles, body: tile, runs}], runs: 'any'};
}

/** The span that row ty has for its own, and how many trips over keys the workgroup makes. */
const ownSpan = ({owns, clip, kinds}: Masked): string =>
  owns === 'keys'
    ? ownVisit(kinds)
    : lines(
        `let span = ${recordFrom('params.spans', SPAN, `u32(${ownSpanNumber(kinds, 'spanRange.x')})`)};`,
        letPair(SPAN, 'keysOf', 'span'),
        `${clip === '' ? 'let' : 'var'} y = ${pairOf(SPAN, 'y', 'span')}; // (begin, end)`,
        clip,
        'let has = y.x < y.y; // any key',
        `let trips = ${pairOf(ITEM, 'place', 'item')}.x; // over keys of the longest row`,
      );

/** The same of the visit that key ty has. */
const ownVisit = (kinds: Kinds): string =>
  lines(
    `let visit = ${recordFrom('params.spans', VISIT, `u32(${ownSpanNumber(kinds, 'visitRange.x')})`)};`,
    letPair(VISIT, 'rowsOf', 'visit'),
    `let visited = ${pairOf(VISIT, 'y', 'visit')}; // (begin, end) of rows`,
    'let has = visited.x < visited.y; // any row',
    `let trips = ${pairOf(KEY_ITEM, 'place', 'item')}.x; // over rows of the key that has most`,
  );

/** Where record number `x` of the slot of an item begins, vec4 of `columns` each. */
export const recordAt = (line: string, slot: string, size: string, x: string, columns: number): string =>
  `params.slotBase + ${columns === 1 ? '' : '('}(${line} * params.slots + ${slot}) * ${size} + ${x}${columns === 1 ? '' : `) * ${columns}u`}`;

/** The whole kernel as a tree. */
export function flowOf({masked, lines: from, before, span = [], tile, after}: TileKernel): readonly Flow[] {
  const keys = masked.owns === 'rows' ? keyRows(masked.kinds) : '';
  const visited = hasStates(masked.kinds)
    ? [plain(letState(masked)), {open: 'if (holds != NONE) {', body: tile, runs: 'any'} as const]
    : tile;
  const visits = isRowWise(masked.kinds)
    ? [plain(ownSpan(masked)), ...tile]
    : [overTiles(masked, {keys, mask: [plain(spanMask(masked)), ...span]}, visited)];
  const main = [...before, ...visits, ...after];
  const words = plain(itemWords(masked.owns));
  return typeof from === 'string' ? [words, plain(from), ...main] : [words, {open: from.open, body: main, runs: 'any'}];
}

const MAIN = 'fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {';
/** `group` is (head, item, sequence) whichever of the first two the grid counts first. */
const EITHER_FIRST = lines(
  'fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {',
  'let group = select(workgroup, workgroup.yxz, (params.flags & ITEMS_FIRST) != 0u);',
);

export function tileProgram(kernel: TileKernel): Program {
  const {name, says, operands, directives = [], features, functions, masked, memory} = kernel;
  const {threadsX, threadsY}: Grid = masked.grid;
  const threads = threadsX * threadsY;
  return program({
    name: `SparseAttention.${name}`,
    bindings: ['params', ...operands.map(({role}) => role)],
    writes: operands.filter(({writes}) => writes).map(({role}) => role),
    directives,
    elements: Object.fromEntries(operands.map(({role, element}) => [role, element])),
    code: lines(
      says,
      `const TX = ${threadsX}u;\nconst TY = ${threadsY}u;\n`,
      NUMBERS + unitText(features),
      paramsOf(features),
      functions,
      placeFunctions(masked.kinds),
      maskFunctions(masked),
      stateFunctions(masked, masked.grid.rows * masked.grid.threadsY),
      ...operands.map((each) => each.functions ?? ''),
      memory.units > 0 ? `\nvar<workgroup> memory: array<${memory.element}, ${memory.units}>;` : '',
      `
${isRowWise(masked.kinds) ? `const ITEMS_FIRST = ${ITEMS_FIRST}u;` : ''}
@compute @workgroup_size(${threads})
${isRowWise(masked.kinds) ? EITHER_FIRST : MAIN}
let tx = lane % TX;
let ty = lane / TX;
let item = ${recordFrom('params.first', masked.owns === 'rows' ? ITEM : KEY_ITEM, 'group.y')};`,
      textOf(flowOf(kernel)),
      '}',
    ),
    workgroupBytes: 16 * memory.units,
    invocations: threads,
  });
}
