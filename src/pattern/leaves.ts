import {blockLocal, causal, documents, full, globalTokens, prefix, slidingWindow, strided} from './builders.js';
import {readMask} from './mask_text.js';
import type {PlainNode} from './node.js';
import {Pattern} from './pattern.js';
import {OPTIONS} from './sizes.js';

export type LeafKind = Exclude<PlainNode['kind'], 'and' | 'or' | 'not'>;

/** How to make a pattern that is not composed of others from its fields, as the text and JSON forms hold them. */
export interface Leaf {
  readonly fields: readonly string[];
  /** Whether the text form gives the one field without its name. */
  readonly positional?: true;
  /** Refuses fields of the wrong type, naming them `kind.field`. */
  readonly make: (fields: Readonly<Record<string, unknown>>) => Pattern;
}

// The builders check what they are given, so that nothing is claimed by these casts.
export const LEAVES: {readonly [kind in LeafKind]: Leaf} = {
  full: {fields: [], make: full},
  causal: {fields: [], make: causal},
  slidingWindow: {fields: Object.keys(OPTIONS.slidingWindow), make: slidingWindow},
  strided: {fields: Object.keys(OPTIONS.strided), make: (fields) => strided(fields as never)},
  blockLocal: {fields: Object.keys(OPTIONS.blockLocal), make: (fields) => blockLocal(fields as never)},
  globalTokens: {fields: ['tokens'], positional: true, make: ({tokens}) => globalTokens(tokens as never)},
  prefix: {fields: ['count'], positional: true, make: ({count}) => prefix(count as never)},
  documents: {fields: ['lengths'], positional: true, make: ({lengths}) => documents(lengths as never)},
  mask: {
    fields: ['queryLength', 'keyLength', 'words'],
    make: ({queryLength, keyLength, words = ''}) => new Pattern(readMask(queryLength, keyLength, words)),
  },
};
