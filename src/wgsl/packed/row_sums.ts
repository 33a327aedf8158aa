import {each, lines} from '../text/text.js';
import {plain, type Flow, type Region} from '../tile/flow.js';

/** How lanes share rows of packed numbers. */
export interface PackedGroup {
  /** Of a row: a power of two. */
  readonly lanes: number;
  /** Numbers of a row that a lane keeps; 0: rows are read twice. */
  readonly registers: number;
}

/** The fewest lanes in which GPUs run anything. */
const LEAST_INVOCATIONS = 64;

export const groupInvocations = ({lanes}: PackedGroup): number => Math.max(LEAST_INVOCATIONS, lanes);
export const rowsOfGroup = (group: PackedGroup): number => groupInvocations(group) / group.lanes;

/** More registers than this cost what they save: 4,096 numbers .206 ms in registers of 256 lanes, .185 read twice (lab, H200, 2026-11-29). */
const MOST_REGISTERS = 20;
/** Lanes by the longest row that they keep. 16 numbers of 8 lanes .0081 ms, of 16 .013; 512 of 32 lanes .0373, read twice .0438. */
const LANES = [8, 16, 32, 64];
const MOST_OF: Readonly<Record<number, number>> = {8: 2, 16: 8, 32: MOST_REGISTERS, 64: MOST_REGISTERS};
/** Rows of which some are much longer than most are read twice, whatever fits: all would take the registers of the longest. */
const MOST_UNEVEN = 8;
const LONG_MEAN = 512;

/** The group for rows of such lengths. */
export function packedGroupOf({longest, mean}: {readonly longest: number; readonly mean: number}): PackedGroup {
  const lanes = LANES.find((own) => longest <= own * MOST_OF[own]!);
  if (lanes !== undefined && (longest <= 64 || longest <= MOST_UNEVEN * mean))
    return {lanes, registers: Math.max(1, Math.ceil(longest / lanes))};
  return {lanes: mean >= LONG_MEAN ? 256 : 64, registers: 0};
}

/** A row is joined in two steps where its lanes are more than this. */
const MOST_AT_ONCE = 8;
const summersOf = ({lanes}: PackedGroup): number => (lanes <= MOST_AT_ONCE ? 0 : lanes <= 64 ? lanes / 8 : lanes / 16);

/** Workgroup memory: what each lane has, then what each summer made of it. */
export const packedGroupBytes = (group: PackedGroup): number =>
  8 * (groupInvocations(group) + rowsOfGroup(group) * summersOf(group));

export const packedGroupMemory = (group: PackedGroup): string =>
  lines(
    `var<workgroup> partials: array<vec2f, ${groupInvocations(group)}>;`,
    summersOf(group) === 0 ? '' : `var<workgroup> totals: array<vec2f, ${rowsOfGroup(group) * summersOf(group)}>;`,
  );

/** How pairs of numbers are joined: the text that declares `name` of so many, read one after the other. */
export type Join = (name: string, read: (i: number) => string, count: number) => string;

/** Steps after which `name` joins the pairs of all lanes of a row, the same in all of them. */
export function joinLanes(group: PackedGroup, name: string, pair: string, join: Join): Flow[] {
  const {lanes} = group;
  const [invocations, rows, summers] = [groupInvocations(group), rowsOfGroup(group), summersOf(group)];
  const partials: Region = {begin: 0, end: invocations / 2};
  const totals: Region = {begin: partials.end, end: partials.end + Math.ceil((rows * summers) / 2)};
  const read =
    (memory: string, base: string, stride: number) =>
    (i: number): string =>
      `${memory}[${base}${i === 0 ? '' : ` + ${stride * i}u`}]`;
  const own: Flow = {name: `${name}: of each lane`, reads: [], writes: [partials], code: `partials[lane] = ${pair};`};
  if (summers === 0)
    return [own, {name: 'of the row', reads: [partials], writes: [], code: join(name, read('partials', 'lane - own', 1), lanes)}];
  return [
    own,
    {
      name: `of every ${summers}th lane`,
      reads: [partials],
      writes: [totals],
      code: lines(
        `if (own < ${summers}u) {`,
        join('some', read('partials', 'lane', summers), lanes / summers),
        `totals[lane / ${lanes}u * ${summers}u + own] = some;`,
        '}',
      ),
    },
    {
      name: 'of the row',
      reads: [totals],
      writes: [],
      code: join(name, read('totals', `lane / ${lanes}u * ${summers}u`, 1), summers),
    },
  ];
}

/** The loop over the numbers of a row, four of a lane a trip: `at0` to `at3` are their places in it, which may lie behind its end. */
export const overRow = ({lanes}: PackedGroup, body: string): Flow =>
  plain(
    lines(
      `for (var at0 = own; at0 < size; at0 += ${4 * lanes}u) {`,
      each(3, (i) => `let at${i + 1} = at0 + ${lanes * (i + 1)}u;`, ' '),
      body,
      '}',
    ),
  );

/** `row`, the lane `own` in it, and where its numbers begin; nobody returns, for all take part in barriers. */
export const packedRow = (group: PackedGroup): string =>
  lines(
    `let own = lane % ${group.lanes}u;`,
    `let row = block * ${rowsOfGroup(group)}u + lane / ${group.lanes}u;`,
    'let span = select(vec2i(), schedule[u32(lists.x) + row], row < params.rows);',
    'let size = u32(span.y - span.x);',
    'let first = line * params.nnz + u32(span.x);',
  );
