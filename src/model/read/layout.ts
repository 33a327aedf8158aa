import {apart} from '../graph/letters.js';
import type {Candidate, Exit} from './operands.js';

/** What an attention reads and which node it becomes. */
export interface Placement {
  readonly query: Candidate;
  readonly key: Candidate;
  readonly value: Candidate;
  readonly exit: Exit;
  /** The order of the axes in which the op computes. */
  readonly layout: 'bhld' | 'blhd';
}

interface Choices {
  readonly query: readonly Candidate[];
  readonly key: readonly Candidate[];
  readonly value: readonly Candidate[];
  readonly exits: readonly Exit[];
}

/**
 * Picks the layout in which the fewest tensors have to be turned, heads last where that costs nothing: then the transposes of the
 * model that split and merge heads are gone.
 */
export function chooseLayout(choices: Choices, leading: number): Placement {
  const grouped = withGroups(choices);
  const all = [grouped.query, grouped.key, grouped.value, grouped.exits];
  const cost = (layout: string): number =>
    all.filter((candidates) => !candidates.some(({axes}) => isLaidOut(axes, layout, leading))).length;
  const layout = leading === 2 && cost('blhd') < cost('bhld') + Number(cost('blhd') === 0) ? 'blhd' : 'bhld';
  const pick = <T extends {readonly axes: readonly string[]}>(candidates: readonly T[]): T =>
    candidates.findLast(({axes}) => isLaidOut(axes, layout, leading)) ?? candidates.at(-1)!;
  return {query: pick(grouped.query), key: pick(grouped.key), value: pick(grouped.value), exit: pick(grouped.exits), layout};
}

/** Key and value of the fewest heads that both can have. */
function withGroups({key, value, ...others}: Choices): Choices {
  const groups = (candidates: readonly Candidate[]): number[] => candidates.map(({group}) => group);
  const common = Math.max(...groups(key).filter((group) => groups(value).includes(group)));
  const ofGroup = (candidates: readonly Candidate[]): Candidate[] => candidates.filter(({group}) => group === common);
  return {...others, key: ofGroup(key), value: ofGroup(value)};
}

/** Whether a tensor has a layout, or gets it by a reshape, which is free. */
function isLaidOut(axes: readonly string[], layout: string, leading: number): boolean {
  if (axes[0] === '*') return layout === 'bhld' && axes.slice(-2).join('') === 'ld';
  const letters = apart(axes.join(''));
  const wanted = [...(leading === 2 ? layout : `${'abh'.slice(3 - leading)}ld`)].filter((letter) => letters.includes(letter));
  return wanted.join('') === letters;
}
