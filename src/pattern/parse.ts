import {refuse} from '../support/index.js';
import {LEAVES, type Leaf} from './leaves.js';
import {Tokens, type Token} from './lex.js';
import type {Pattern} from './pattern.js';
import {perBatch, perHead} from './per_head.js';
import {refuseName, spell} from './sizes.js';

const BINDING: Readonly<Record<string, number>> = {or: 1, and: 2, not: 3};

const LISTS = {perHead, perBatch} as const;
type ListKind = keyof typeof LISTS;
const listKind = (name: string): ListKind | undefined =>
  (Object.keys(LISTS) as ListKind[]).find((kind) => kind.toLowerCase() === name);

const CALLS: ReadonlyMap<string, readonly [string, Leaf]> = new Map(
  Object.entries(LEAVES).map(([kind, leaf]) => [kind.toLowerCase(), [kind, leaf]]),
);

/**
 * The pattern that a text says, in any case and spacing: what `Pattern.toString` prints. Calls look like the builders; `not` binds
 * tighter than `and`, `and` tighter than `or`, and parentheses group.
 *
 *     pattern = call | 'not' pattern | pattern 'and' pattern | pattern 'or' pattern | '(' pattern ')'
 *     call    = 'full()' | 'causal()' | 'slidingWindow(left: 256, right: infinity, dilation: 1)' | 'strided(stride: 128)'
 *             | 'blockLocal(size: 256)' | 'globalTokens(64)' | 'globalTokens([3, 7])' | 'prefix(5)' | 'documents([100, 28])'
 *             | 'mask(queryLength: 2, keyLength: 40, words: 0xff 0x0*3)'
 *             | 'perHead(' pattern {',' pattern} ')' | 'perBatch(' pattern {',' pattern} ')'
 *
 * Throws `SplatError` with a caret below the offending column.
 *
 * @example
 * parsePattern('slidingwindow(left: 256) or not causal()').toString(); // 'slidingWindow(left: 256) or not causal()'
 */
export function parsePattern(text: string): Pattern {
  if (typeof text !== 'string') refuse('pattern text', spell(text), 'a string', 'patternFromJSON reads the JSON form.');
  const tokens = new Tokens(text);
  const [pattern, end] = readPattern(tokens, []);
  // Inside a list a pattern ends at a mark, too.
  return end.kind === 'end' ? pattern : refuseEnd(tokens, end);
}

/** A pattern and the token after it, where `lists` are open around it, the innermost last. Two at most, so this recursion is flat. */
function readPattern(tokens: Tokens, lists: readonly ListKind[]): [pattern: Pattern, end: Token] {
  const patterns: Pattern[] = [];
  /** Operators and open parentheses that wait for their right side; a stack, so that nesting costs no recursion. */
  const waiting: Token[] = [];

  /** Applies the waiting operators that bind at least so tightly, back to the nearest open parenthesis, which binds nothing. */
  const applyDownTo = (binding: number) => {
    while (waiting.length > 0 && (BINDING[waiting[waiting.length - 1]!.text] ?? 0) >= binding) {
      const operator = waiting.pop()!;
      const right = patterns.pop()!;
      patterns.push(tokens.at(operator.at, () => apply(operator.text, right, patterns)));
    }
  };

  let token: Token;
  for (;;) {
    token = tokens.next();
    if (token.text === '(' || token.text === 'not') {
      waiting.push(token);
      continue;
    }
    patterns.push(readCall(tokens, token, lists));
    token = tokens.next();
    for (; token.text === ')'; token = tokens.next()) {
      applyDownTo(BINDING.or!);
      if (waiting.length === 0) break;
      waiting.pop();
    }
    const joins = token.text === 'and' || token.text === 'or';
    if (!joins) break;
    applyDownTo(BINDING[token.text]!);
    waiting.push(token);
  }
  applyDownTo(BINDING.or!);
  const open = waiting.pop();
  const isEnd = token.kind === 'end' || (open === undefined && lists.length > 0 && (token.text === ')' || token.text === ','));
  if (!isEnd) refuseEnd(tokens, token);
  if (open !== undefined) tokens.refuse(open, 'a ) that closes it', 'Close the parenthesis.');
  return [patterns[0]!, token];
}

function refuseEnd(tokens: Tokens, token: Token): never {
  if (token.text === ')') return tokens.refuse(token, 'and, or, or the end', 'Remove it, or open a parenthesis before it.');
  return tokens.refuse(token, 'and, or, ) or the end', 'Patterns are joined by and, or.');
}

/** The patterns of a list whose name has been read. */
function readList(tokens: Tokens, name: Token, kind: ListKind, lists: readonly ListKind[]): Pattern {
  if (lists.includes(kind))
    tokens.refuse(name, `a pattern that is no ${kind}`, `Put the patterns of the inner ${kind} into the list.`);
  tokens.take('(', `Write ${kind}(…).`);
  if (tokens.peek().text === ')') tokens.refuse(tokens.peek(), 'a pattern', `Write one for each, as ${kind}(causal(), full()).`);
  const patterns: Pattern[] = [];
  const begins: number[] = [];
  let end: Token;
  do {
    begins.push(tokens.peek().at);
    const [pattern, after] = readPattern(tokens, [...lists, kind]);
    patterns.push(pattern);
    end = after;
  } while (end.text === ',');
  if (end.text !== ')') tokens.refuse(end, 'a , or a )', `Close ${kind}( here.`);
  const column = (thing: string): number => begins[Number(/\[(\d+)\]$/.exec(thing)?.[1])] ?? name.at;
  return tokens.at(column, () => LISTS[kind](patterns));
}

function apply(operator: string, right: Pattern, patterns: Pattern[]): Pattern {
  if (operator === 'not') return right.not();
  const left = patterns.pop()!;
  return operator === 'and' ? left.and(right) : left.or(right);
}

/** A call whose name has been read. */
function readCall(tokens: Tokens, name: Token, lists: readonly ListKind[]): Pattern {
  const list = listKind(name.text);
  if (list !== undefined) return readList(tokens, name, list, lists);
  if (name.kind !== 'word' || name.text === 'and' || name.text === 'or') {
    return tokens.refuse(name, 'a pattern', 'Write one such as causal() or slidingWindow(left: 256).');
  }
  const call = CALLS.get(name.text);
  if (call === undefined) {
    return tokens.at(name.at, () => refuseName('pattern text', name.text, [...Object.keys(LEAVES), ...Object.keys(LISTS)]));
  }
  const [kind, leaf] = call;
  const fields: Record<string, unknown> = {};
  const columns = new Columns(tokens);
  tokens.take('(', `Write ${kind}(…).`);
  if (!tokens.skip(')')) {
    if (leaf.positional) fields[leaf.fields[0]!] = readValue(tokens, leaf.fields[0]!, columns);
    else readFields(tokens, kind, leaf.fields, fields, columns);
    tokens.take(')', `Close ${kind}( here.`);
  }
  return tokens.at(
    (thing) => columns.of(thing.slice(kind.length + 1)) ?? name.at,
    () => leaf.make(fields),
  );
}

/** Where the values of fields are, so that an error points at the one it is about. */
class Columns {
  readonly #tokens: Tokens;
  readonly #fields = new Map<string, number>();
  /** Of the entries of lists; there may be spaces before each. */
  readonly #lists = new Map<string, number[]>();

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  field(name: string, column: number): void {
    this.#fields.set(name, column);
  }

  list(name: string): number[] {
    const columns: number[] = [];
    this.#lists.set(name, columns);
    return columns;
  }

  /** Of a field, or of an entry as `lengths[3]`. */
  of(name: string): number | undefined {
    const [, list = '', entry] = /^(.*)\[(\d+)\]$/.exec(name) ?? [];
    const column = this.#lists.get(list)?.[Number(entry)];
    return column === undefined ? this.#fields.get(name) : this.#tokens.skipSpace(column);
  }
}

function readFields(
  tokens: Tokens,
  kind: string,
  known: readonly string[],
  fields: Record<string, unknown>,
  columns: Columns,
): void {
  do {
    const option = tokens.next();
    if (known.length === 0) tokens.refuse(option, '")"', `${kind}() takes nothing.`);
    if (option.kind !== 'word') tokens.refuse(option, 'the name of an option', `${kind} takes ${known.join(', ')}.`);
    const field = known.find((name) => name.toLowerCase() === option.text);
    if (field === undefined) return tokens.at(option.at, () => refuseName(`${kind} option`, option.text, known));
    if (field in fields) tokens.refuse(option, 'each option once', 'Remove one of the two.');
    tokens.take(':', `Write ${field}: and its value.`);
    fields[field] = readValue(tokens, field, columns);
  } while (tokens.skip(','));
}

/** A number, `infinity`, a list of numbers, or the words of a mask. */
function readValue(tokens: Tokens, field: string, columns: Columns): number | readonly number[] | string {
  columns.field(field, tokens.peek().at);
  if (tokens.peek().kind === 'bits') return readBits(tokens);
  if (!tokens.skip('[')) return readNumber(tokens);
  const list: number[] = [];
  const begins = columns.list(field);
  tokens.takeEntries(list, begins);
  if (list.length === 0 && tokens.skip(']')) return list;
  do {
    tokens.takeEntries(list, begins);
    begins.push(tokens.peek().at);
    list.push(readNumber(tokens));
  } while (tokens.skip(','));
  tokens.take(']', 'Separate the numbers by commas and close the list.');
  return list;
}

function readNumber(tokens: Tokens): number {
  const token = tokens.next();
  if (token.text === 'infinity') return Infinity;
  return token.kind === 'number'
    ? Number(token.text)
    : tokens.refuse(token, 'a number', 'Write digits, or infinity for a window without end.');
}

function readBits(tokens: Tokens): string {
  const words: string[] = [];
  while (tokens.peek().kind === 'bits') words.push(tokens.next().text);
  return words.join(' ');
}
