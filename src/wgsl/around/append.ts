import {columnsIn, converts, type FormatName, type Formats, type OperandName} from '../../plan/index.js';
import {columnFunctions, columnOf} from './convert.js';
import {gridIndex, gridOf} from '../text/grid.js';
import {HELD} from '../text/held.js';
import {program} from '../text/make_program.js';
import {packParams, PARAMS, type FixedParams} from '../text/params.js';
import type {BindingRole, CallParams, Launch, Program} from '../text/program.js';
import {operandAccess, roleOf, rowAccess, type RowAccess} from '../text/row_access.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 64;

/** What the text of the program depends on. */
export interface AppendShape {
  readonly headDim: number;
  readonly valueDim: number;
  /** Of what the cache holds, and of queries. */
  readonly formats: Formats;
  /** The device converts to halves itself. */
  readonly nativeHalves: boolean;
  /** There are queries of the same tokens, which are converted where attention reads them in another format. */
  readonly queries: boolean;
}

/** The sizes of a cache, and of what is appended to it. */
export interface AppendSizes {
  readonly batch: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly capacity: number;
  /** New tokens of each sequence, padding included. */
  readonly tokens: number;
  /** Pair offset in the schedule of what the cache holds; see `heldPairs`. */
  readonly held: number;
  /** Slots that are written in a line at most. */
  readonly places: number;
}

/** One dispatch: keys and values into their slots, float16 queries where attention reads them. */
export function appendLaunch(program: Program, shape: AppendShape, sizes: AppendSizes): Launch {
  const {batch, heads, keyHeads, capacity, tokens, held, places} = sizes;
  const query = columnsIn(shape.formats.query, shape.headDim);
  const columns = Math.max(batch * keyHeads * places * widest(shape), shape.queries ? batch * heads * tokens * query : 0);
  const fixed: FixedParams = {
    ...NOTHING,
    batch,
    heads,
    keyHeads,
    queryLength: tokens,
    keyLength: capacity,
    held,
  };
  return Object.freeze({
    program,
    grid: Object.freeze(gridOf(columns, INVOCATIONS, shape.queries ? 3 : 2)),
    params: (call: CallParams) => packParams(fixed, call),
  });
}

/** Columns of a key or of a value. */
export const widest = ({headDim, valueDim, formats: {key, value}}: AppendShape): number =>
  Math.max(columnsIn(key, headDim), columnsIn(value, valueDim));

/** One literal: of a record put together from several, each copy takes a microsecond. */
export const NOTHING = {
  unit: 1,
  farScale: false,
  copies: false,
  rowKeys: 0,
  flags: 0,
  first: 0,
  spans: 0,
  intervals: 0,
  numbers: 0,
  bits: 0,
  maskBits: 0,
  slotBase: 0,
  slots: 0,
  flagBase: 0,
  groupSize: 1,
  packedHeads: 1,
  queryOffset: 0,
  pairs: 0,
  maskStrides: [0, 0, 0, 0],
  share: [0, 0, 0],
} as const;

export interface AppendTensor {
  readonly from: RowAccess;
  readonly to: RowAccess;
  readonly role: BindingRole;
  readonly format: FormatName;
}

/** What of query, key and value is read and written. */
export function tensorsOf({headDim, valueDim, formats}: AppendShape): AppendTensor[] {
  const tensor = (from: BindingRole, operand: OperandName, features: number): AppendTensor => ({
    from: rowAccess(from, features),
    to: operandAccess(operand, formats, features, true),
    role: roleOf(operand, formats),
    format: formats[operand],
  });
  return [tensor('query', 'query', headDim), tensor('newKey', 'key', headDim), tensor('newValue', 'value', valueDim)];
}

/**
 * Writes the newest tokens of a step into the slots of a cache; of tokens that take turns in a slot the last. Slots of tokens that were
 * taken back become zeros: a kernel may read them with those around them, and a NaN times a probability of 0 is NaN.
 */
export function appendProgram(shape: AppendShape): Program {
  const [query, key, value] = tensorsOf(shape) as [AppendTensor, AppendTensor, AppendTensor];
  const queries = shape.queries ? [query] : [];
  const convert = ({format, from, to}: AppendTensor): string => columnOf(format, from, to);
  const scatter = (tensor: AppendTensor, layer: number): string =>
    lines(
      `case ${layer}u: {`,
      `let place = placeOf(index / ${tensor.to.columns}u);`,
      'if (place.y < 0) { return; }',
      `let column = index % ${tensor.to.columns}u;`,
      `let base = ${tensor.from.base('u32(max(place.x, 0))')};`,
      `let zero = ${tensor.to.element === 'vec4u' ? 'vec4u()' : 'vec4f()'};`,
      tensor.to.store(tensor.to.base('u32(place.y)'), 'column', `select(${convert(tensor)}, zero, place.x < 0)`),
      '}',
    );
  const copy = (tensor: AppendTensor): string =>
    lines(
      'case 2u: {',
      `if (index >= arrayLength(&${tensor.role})) { return; }`,
      `let column = index % ${tensor.to.columns}u;`,
      `let base = ${tensor.from.base(`(index / ${tensor.to.columns}u)`)};`,
      tensor.to.store('index', '0u', convert(tensor)),
      '}',
    );
  const written = [key, value, ...queries].map(({role}) => role);
  const read: BindingRole[] = ['newKey', 'newValue', ...queries.map((): BindingRole => 'query')];
  return program({
    name: 'SparseAttention.append',
    bindings: ['params', ...read, 'schedule', ...written],
    writes: written,
    directives: converts(shape.formats) && shape.nativeHalves ? ['enable f16'] : [],
    elements: {
      schedule: 'vec2i',
      newKey: key.from.element,
      newValue: value.from.element,
      query: query.from.element,
      ...Object.fromEntries([key, value, ...queries].map(({role, to}) => [role, to.element])),
    },
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// New keys and values [batch, keyHeads, queryLength, …] into the slots of a cache [batch, keyHeads, keyLength, …]${
        shape.queries ? ', and queries as halves' : ''
      }. An invocation writes one column.
`,
      PARAMS,
      HELD,
      ...[key, value, ...queries].flatMap(({from, to}) => [from.functions, to.functions]),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(INVOCATIONS)};
switch group.z {
`,
      scatter(key, 0),
      scatter(value, 1),
      ...queries.map(copy),
      `
default: {}
}
}

// The rows (from, to) of slot number \`at\` among those of all heads that are written, from -1 for zeros, or (-1, -1).
fn placeOf(at: u32) -> vec2i {
  let most = max(u32(mostHeld().x), 1u);
  let line = at / most;
  let batch = line / params.keyHeads;
  if (batch >= params.batch) { return vec2i(-1); }
  let number = i32(at % most);
  let room = roomHeld();
  let held = heldBy(batch);
  let row = rowOf(batch);
  // First those with slots of their own, then those that nobody overwrites, then what is dead.
  let own = max(min(held.x, room.x) - held.y, 0);
  let turns = max(max(held.y, room.x), held.x - room.y);
  let kept = own + max(held.x - turns, 0);
  var position = select(turns + number - own, held.y + number, number < own);
  if (number >= kept) {
    position = held.x + number - kept;
    if (position >= row.y) { return vec2i(-1); }
  }
  let slot = select(room.x + (position - room.x) % room.y, position, position < room.x);
  let source = select(i32(line * params.queryLength) + position - held.y, -1, number >= kept);
  return vec2i(source, (row.x * i32(params.keyHeads) + i32(line % params.keyHeads)) * i32(params.keyLength) + slot);
}
`,
      columnFunctions(shape.formats, shape.nativeHalves),
    ),
  });
}
