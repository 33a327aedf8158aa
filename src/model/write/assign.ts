import {compressLines, type Acsr} from '../../acsr/index.js';
import {causal as causalPattern, isPlain, listsOf, type Pattern} from '../../pattern/index.js';
import {SplatError} from '../../support/index.js';
import {parseEdge} from '../graph/graph.js';
import type {Attention, Misfit} from '../read/match.js';
import type {Align} from './options.js';
import {featuresIn} from '../read/origin.js';
import {numberOf} from '../graph/size.js';
import type {ShapeTable} from '../graph/shape_table.js';

/** An attention that is swapped, with what it is swapped for. */
export interface Assigned {
  readonly attention: Attention;
  /** The one given, and the causal mask that the model had. */
  readonly pattern: Pattern;
  /** Where query 0 stands among the keys; undefined: the last query stands at the last key. */
  readonly queryOffset?: 0;
  /** What the caller should know of it. */
  readonly notes: readonly string[];
}

export interface Assignment {
  readonly assigned: readonly Assigned[];
  readonly left: readonly Misfit[];
  /** Why nothing is assigned: the lists are of another length than there are attentions. */
  readonly mistake?: string;
}

/** An attention, and the shapes of its graph. */
export interface Swappable {
  readonly attention: Attention;
  readonly shapes: ShapeTable;
}

/**
 * The pattern of each attention and where its queries stand. An attention of which it is not proven which axis are its queries takes
 * `full()` alone, which lies on every axis alike; a list may count it or leave it out.
 */
export function assign(
  all: readonly Swappable[],
  pattern: Pattern | readonly Pattern[],
  align: Align | readonly Align[] | undefined,
): Assignment {
  const sure = all.filter(({attention}) => attention.unsure === undefined);
  const counted = Array.isArray(pattern) && pattern.length !== all.length ? sure : all;
  const lists = {pattern, align};
  for (const [name, list] of Object.entries(lists)) {
    if (!Array.isArray(list) || list.length === counted.length) continue;
    const given = name === 'pattern' ? `${list.length} patterns were given` : `${list.length} values of align were given`;
    const mistake = `${given}, and ${counted.length} attentions can be swapped; nothing was`;
    return {assigned: [], left: all.map(({attention}) => ({name: attention.softmax.name, reason: mistake})), mistake};
  }
  const of = <T>(given: T | readonly T[], i: number): T => (Array.isArray(given) ? (given as readonly T[])[i]! : (given as T));
  const left: Misfit[] = all
    .filter((each) => !counted.includes(each))
    .map(({attention}) => ({name: attention.softmax.name, reason: attention.unsure!}));
  const assigned = counted.flatMap(({attention, shapes}, i) => {
    const own = of(pattern, i);
    if (attention.unsure !== undefined && own.node.kind !== 'full') {
      left.push({name: attention.softmax.name, reason: attention.unsure});
      return [];
    }
    return [placed(attention, shapes, own, of(align, i))];
  });
  return {assigned, left};
}

function placed(attention: Attention, shapes: ShapeTable, own: Pattern, align: Align | undefined): Assigned {
  const {causal} = attention;
  const pattern = causal === undefined ? own : own.node.kind === 'full' ? causalPattern() : own.and(causalPattern());
  // Where the mask of the model counts positions from the first key, so does the pattern.
  const fromFirst = causal === 'first' || (causal !== 'last' && align === 'start');
  const offset = fromFirst ? ({queryOffset: 0} as const) : {};
  const notes = [
    ...(own.node.kind === 'full' ? [] : otherAlignment(attention, align)),
    ...channels(attention, shapes),
    ...(pattern.node.kind === 'full' ? [] : blindRows(attention, shapes, pattern, fromFirst)),
  ];
  return {attention, pattern, ...offset, notes};
}

/** An alignment that was asked for, and that the causal mask of the model overrules. */
function otherAlignment({causal, exit}: Attention, align: Align | undefined): string[] {
  const own = causal === 'first' ? 'start' : causal === 'last' ? 'end' : undefined;
  if (own === undefined || align === undefined || align === own) return [];
  return [
    `the causal mask of '${exit.node.name}' aligns its queries at the ${own} of its keys, so its pattern does too, not at the ${align}`,
  ];
}

/** Attention between features: what a pattern lies over are not positions. */
function channels({exit, query, key}: Attention, shapes: ShapeTable): string[] {
  const [ofQuery, ofKey] = [query, key].map(({input, axes}) => featuresIn(shapes, input, axes.indexOf('l')));
  if (ofQuery === undefined || ofKey === undefined) return [];
  return [
    `queries and keys of '${exit.node.name}' are features of '${parseEdge(ofQuery).name}' (channels), not positions: a pattern lies over features`,
  ];
}

/** Rows that a pattern leaves without a key, where the sizes are known: they give zeros. */
function blindRows(
  {exit, query, key, causal, broadcast}: Attention,
  shapes: ShapeTable,
  pattern: Pattern,
  fromFirst: boolean,
): string[] {
  const [queryLength, keyLength] = [query, key].map(({input, axes}, role) => {
    const own = numberOf(shapes.of(input)?.at(axes.indexOf('l') - axes.length));
    return own === 1 ? (broadcast.at(role - 2) ?? 1) : own;
  });
  if (queryLength === undefined || keyLength === undefined) return [];
  const count = (first: boolean): number => blind(pattern, {queryLength, keyLength, ...(first && {queryOffset: 0})});
  try {
    const rows = count(fromFirst);
    if (rows === 0) return [];
    const stands = fromFirst ? 'its first query stands at its first key' : 'its last query stands at its last key';
    const other = causal === undefined && count(!fromFirst) < rows ? `; align: '${fromFirst ? 'end' : 'start'}' leaves fewer` : '';
    const see = rows === 1 ? ['sees', 'gives'] : ['see', 'give'];
    const line = isPlain(pattern.node) ? '' : ', in some head,';
    const what = `${rows} of the ${queryLength} queries of '${exit.node.name}'${line} ${see[0]} none of its ${keyLength} keys and ${see[1]} zeros`;
    return [`${what} under ${pattern.toString()}: ${stands}${other}`];
  } catch (error) {
    if (!(error instanceof SplatError)) throw error;
    return [`the pattern of '${exit.node.name}' does not suit its ${queryLength} queries and ${keyLength} keys: ${error.message}`];
  }
}

/** The most queries without keys of any head. */
function blind(pattern: Pattern, shape: {queryLength: number; keyLength: number; queryOffset?: number}): number {
  // As many heads and sequences as the pattern has: whether the model has them is known when it runs.
  const {perHead: heads = 1, perBatch: batch = 1} = listsOf(pattern.node);
  const {rows} = compressLines(pattern, {...shape, heads, batch});
  return Math.max(...rows.map(emptyRows));
}

function emptyRows({queryLength, rowRuns, irregularRows}: Acsr): number {
  let rows = 0;
  for (let row = 0; row < queryLength; row++) rows += Number(rowRuns[row] === rowRuns[row + 1]);
  // A row of bits has no runs, and was too long for them.
  return rows - irregularRows.length;
}
