import {ceilDiv} from '../support/index.js';
import {ones} from './block_mask.js';

/** A word of a list: a run of consecutive blocks, the first in the lower bits, how many follow it in the others. */
export const FIRST_BITS = 22;
const MOST_RUN = 2 ** (32 - FIRST_BITS);
/** Blocks along the sum that a word can name. */
export const MOST_BLOCKS = 2 ** FIRST_BITS;

/** A word of a list, read. */
export const runOf = (word: number): [first: number, count: number] => [word & (MOST_BLOCKS - 1), (word >>> FIRST_BITS) + 1];

/** What is summed over: so many numbers, in blocks, in steps of a tile. */
export interface Depth {
  readonly numbers: number;
  readonly block: number;
  readonly step: number;
}

/** Numbers that grow, as an engine keeps them best. */
class Growing {
  #values = new Uint32Array(1024);
  length = 0;

  get values(): Uint32Array {
    return this.#values.subarray(0, this.length);
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  push(value: number): void {
    this.room(1)[this.length++] = value;
  }

  /** The numbers, with room for so many more behind them. */
  room(more: number): Uint32Array {
    if (this.length + more > this.#values.length) {
      const longer = new Uint32Array(2 * this.#values.length + more);
      longer.set(this.#values);
      this.#values = longer;
    }
    return this.#values;
  }
}

/**
 * Lists of blocks along the sum as runs, one list after another; list 0 is empty. A list that several items share is there once. Or only where the bits of
 * both operands lie, which kernels then combine themselves.
 */
export class BlockLists {
  readonly depth: Depth;
  readonly blocks: number;
  /** Word of the first run of each list; steps of a tile that it takes; how many numbers are summed over. */
  readonly #begins = new Growing();
  readonly #steps = new Growing();
  readonly #numbers = new Growing();
  readonly #words = new Growing();
  /** Words of the bits of each list, of both operands. */
  readonly #left = new Growing();
  readonly #right = new Growing();
  /** The run that may go on. */
  #first = 0;
  #next = 0;
  /** Blocks of the list that is being made. */
  #held = 0;

  constructor(depth: Depth) {
    this.depth = depth;
    this.blocks = ceilDiv(depth.numbers, depth.block);
    this.#begins.push(0);
    this.#left.push(0);
    this.#right.push(0);
    this.#close(true);
  }

  get count(): number {
    return this.#steps.length;
  }

  get words(): Uint32Array {
    return this.#words.values;
  }

  /** Word of its first run. */
  begin(list: number): number {
    return this.#begins.at(list);
  }

  /** Word of its bits, of the left operand. */
  left(list: number): number {
    return this.#left.at(list);
  }

  /** Of the right one. */
  right(list: number): number {
    return this.#right.at(list);
  }

  /** Steps of a tile that it takes. */
  steps(list: number): number {
    return this.#steps.at(list);
  }

  /** How many numbers are summed over. */
  numbers(list: number): number {
    return this.#numbers.at(list);
  }

  runs(list: number): [first: number, count: number][] {
    return Array.from(this.words.subarray(this.#begins.at(list), this.#begins.at(list + 1)), runOf);
  }

  /** All blocks. */
  addAll(): number {
    this.#take(0, this.blocks);
    return this.#close();
  }

  /** The blocks that have a bit in `x`, and in `y` where there is one: rows of bits from a word on. */
  addMet(x: Uint32Array, xAt: number, y: Uint32Array | null, yAt: number): number {
    const words = (this.blocks + 31) >>> 5;
    // Blocks of 8 of both operands, 4,096 squared, are 8 million runs: no call for each of them.
    const to = this.#words.room(32 * words);
    let at = this.#words.length;
    let [first, next, held] = [0, 0, 0];
    for (let word = 0; word < words; word++) {
      let rest = y === null ? x[xAt + word]! : x[xAt + word]! & y[yAt + word]!;
      while (rest !== 0) {
        const bit = rest & -rest;
        const low = 31 - Math.clz32(bit);
        let length = 1;
        if ((rest & (bit << 1)) !== 0) {
          // The bits that follow it without a gap, at once.
          const above = ~(rest >>> low);
          length = above === 0 ? 32 - low : 31 - Math.clz32(above & -above);
          rest = low + length >= 32 ? 0 : rest & (-1 << (low + length));
        } else rest ^= bit;
        const from = 32 * word + low;
        held += length;
        if (from === next && first !== next && next - first + length <= MOST_RUN) to[at - 1]! += length << FIRST_BITS;
        else {
          first = from;
          to[at++] = from | ((length - 1) << FIRST_BITS);
        }
        next = from + length;
      }
    }
    this.#words.length = at;
    [this.#first, this.#next, this.#held] = [next, next, held];
    return this.#close();
  }

  /** The blocks that have a bit in both, as places of these bits: counted, not listed. */
  addBits(x: Uint32Array, xAt: number, y: Uint32Array, yAt: number): number {
    const words = (this.blocks + 31) >>> 5;
    let [held, last] = [0, 0];
    for (let word = 0; word < words; word++) {
      last = x[xAt + word]! & y[yAt + word]!;
      if (last !== 0) held += ones(last);
    }
    if (held === 0) return 0;
    const isLast = ((last >>> ((this.blocks - 1) & 31)) & 1) === 1;
    this.#left.push(xAt);
    this.#right.push(yAt);
    return this.#count(held, isLast);
  }

  /** Lists of nearly as many blocks each that have those of one list between them, in their order. */
  cut(list: number, parts: number): number[] {
    const all = this.runs(list).flatMap(([first, count]) => Array.from({length: count}, (_, i) => first + i));
    return Array.from({length: parts}, (_, part) => {
      const [from, to] = [part, part + 1].map((at) => Math.round((at * all.length) / parts));
      for (const block of all.slice(from, to)) this.#take(block, block + 1);
      return this.#close();
    });
  }

  #take(first: number, end: number): void {
    if (first !== this.#next || this.#first === this.#next) {
      this.#flush();
      this.#first = first;
    }
    this.#next = end;
    this.#held += end - first;
  }

  #flush(): void {
    for (let from = this.#first; from < this.#next; from += MOST_RUN)
      this.#words.push(from | ((Math.min(MOST_RUN, this.#next - from) - 1) << FIRST_BITS));
  }

  /** Ends a list. An empty one is list 0. */
  #close(isFirst = false): number {
    if (this.#held === 0 && !isFirst) return 0;
    this.#flush();
    const [held, isLast] = [this.#held, this.#next === this.blocks];
    this.#begins.push(this.#words.length);
    this.#first = this.#next = this.#held = 0;
    return this.#count(held, isLast);
  }

  /** A list of so many blocks, with the last of all or not, which may be shorter. */
  #count(held: number, isLast: boolean): number {
    const {numbers, block, step} = this.depth;
    const own = held * block - (isLast ? this.blocks * block - numbers : 0);
    this.#steps.push(ceilDiv(own, step));
    this.#numbers.push(own);
    return this.#steps.length - 1;
  }
}
