import {refuse, SplatError} from '../support/index.js';
import {LEAVES, type LeafKind} from './leaves.js';
import {MAX_DEPTH, type Pattern} from './pattern.js';
import {perBatch, perHead} from './per_head.js';
import {refuseName, spell, withoutStrangers} from './sizes.js';

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  ...{and: ['operands'], or: ['operands'], not: ['operand']},
  ...{perHead: ['patterns'], perBatch: ['patterns']},
};
const KINDS = [...Object.keys(LEAVES), ...Object.keys(OPERATORS)];

/**
 * The pattern that `Pattern.toJSON` described, from data as `JSON.parse` returns it. Everything is checked.
 *
 * Throws `SplatError` that names the place by its path, such as `pattern.operands[1].left`.
 *
 * @example
 * patternFromJSON({kind: 'not', operand: {kind: 'causal'}}).toString(); // 'not causal()'
 */
export function patternFromJSON(json: unknown): Pattern {
  return read(json, 'pattern', 0);
}

function read(json: unknown, path: string, depth: number): Pattern {
  if (depth > MAX_DEPTH)
    refuse(
      'pattern',
      `more than ${MAX_DEPTH} operators inside each other`,
      `at most ${MAX_DEPTH}`,
      'Combine the operands as a tree.',
    );
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse(
      path,
      spell(json),
      "an object such as {kind: 'causal'}",
      'JSON text goes through JSON.parse first; parsePattern reads the text form.',
    );
  }
  const {kind, ...fields} = json as Record<string, unknown>;
  if (typeof kind !== 'string')
    return refuse(`${path}.kind`, spell(kind), `one of ${KINDS.join(', ')}`, 'Pass what toJSON() gave.');
  if (!KINDS.includes(kind)) return refuseName(`${path}.kind`, kind, KINDS);
  const known = OPERATORS[kind] ?? LEAVES[kind as LeafKind].fields;
  withoutStrangers(`${path} field`, fields, known);
  if (kind === 'not') return read(fields.operand, `${path}.operand`, depth + 1).not();
  if (kind === 'and' || kind === 'or') {
    const {operands} = fields;
    if (!Array.isArray(operands) || operands.length !== 2)
      return refuse(`${path}.operands`, spell(operands), 'an array of 2 patterns', 'Nest the operators to join more.');
    const [left, right] = operands.map((operand, i) => read(operand, `${path}.operands[${i}]`, depth + 1)) as [Pattern, Pattern];
    return left[kind](right);
  }
  if (kind === 'perHead' || kind === 'perBatch') {
    const {patterns} = fields;
    if (!Array.isArray(patterns) || patterns.length === 0)
      return refuse(`${path}.patterns`, spell(patterns), 'an array of patterns', 'Pass what toJSON() gave.');
    const inside = Array.from(patterns, (pattern, i) => read(pattern, `${path}.patterns[${i}]`, depth + 1));
    return under(`${path}.patterns`, kind, () => (kind === 'perHead' ? perHead(inside) : perBatch(inside)));
  }
  return makeLeaf(kind as LeafKind, fields, path);
}

function makeLeaf(kind: LeafKind, fields: Record<string, unknown>, path: string): Pattern {
  const spelled = Object.entries(fields).map(([name, value]) => [name, value === 'Infinity' ? Infinity : value]);
  return under(path, kind, () => LEAVES[kind].make(Object.fromEntries(spelled)));
}

/** The builders name `kind.field` and `kind[i]`; here `kind` becomes the path. */
function under(path: string, kind: string, make: () => Pattern): Pattern {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof SplatError)) throw error;
    const {thing, found, expected, cure} = error;
    throw new SplatError({thing: path + thing.slice(kind.length), found, expected, cure});
  }
}
