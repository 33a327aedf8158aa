import {WordHash} from '../support/index.js';
import {holdsLongMask} from './long_mask.js';
import type {MaskNode, PatternNode} from './node.js';
import {print} from './print.js';

const masks = new WeakMap<MaskNode, string>();

/** The text of a pattern with its long masks hashed: equal patterns have the same. 4,096 tokens squared of random pairs take 6 ms, their text 190. */
export function hashNode(node: PatternNode): string {
  if (!holdsLongMask(node)) return print(node);
  if (node.kind === 'mask') {
    const known = masks.get(node);
    if (known !== undefined) return known;
    const made = hashMask(node);
    masks.set(node, made);
    return made;
  }
  const parts = 'operands' in node ? node.operands : 'patterns' in node ? node.patterns : 'operand' in node ? [node.operand] : [];
  return `${node.kind}(${parts.map(hashNode).join()})`;
}

/** Of the runs of equal words, however the mask holds them. */
function hashMask({words, queryLength, keyLength}: MaskNode): string {
  const hash = new WordHash();
  let [value, length] = [0, 0];
  const close = (): void => {
    hash.add(value);
    hash.add(length);
  };
  words.forEachRun((word, begin, end) => {
    if (word !== value && begin > 0) {
      close();
      length = 0;
    }
    value = word;
    length += end - begin;
  });
  close();
  return `mask(${queryLength} × ${keyLength}, ${hash})`;
}
