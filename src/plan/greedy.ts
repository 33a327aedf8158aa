import {inSteps, Lru, type Sliced} from '../support/index.js';
import {keysIn, type BitRows} from './bit_rows.js';

/** Rows of a group. */
const GROUP = 64;
/** A trial that saves fewer of the keys that rows have together is no reason to go on. */
const WORTH = 0.3;
/** Rows that the search may look at, over all keys of all rows: some 10 ns each, so a twentieth of a second. */
export const MOST_STEPS = 5e6;
/** Groups of a trial, and rows of each. */
const TRIALS = 6;
const TRIAL_ROWS = 16;

/**
 * Rows in groups that share keys: each group begins with a row of few keys and takes the row that brings the fewest new ones, among those that
 * share a key with it (as Sylos Labini et al. group rows for SMaT, arXiv 2408.11551, by keys instead of blocks). `classes`: rows with the same keys,
 * which stay together. Null where a trial of a few groups says that it is not worth it; where it would take too long, the steps that it would take.
 */
export function* greedyOrder(
  rows: BitRows,
  classes: readonly number[][],
  pairs: number,
  key: string,
): Sliced<readonly number[] | number | null> {
  // If all keys have as many rows, which takes the fewest steps, and classes as many rows.
  const fewest = (pairs / (32 * rows.wordsPerRow)) * pairs * (classes.length / rows.rows.length) ** 2;
  if (fewest > MOST_STEPS) return fewest;
  const known = searched.get(key);
  if (known !== undefined) return known;
  const search = new Search(yield* keysOfClasses(rows, classes), 32 * rows.wordsPerRow, classes);
  yield;
  if (search.steps > MOST_STEPS) return search.steps;
  const order = (yield* search.isWorth()) ? (yield* search.all()).flatMap((index) => classes[index]!) : null;
  return searched.set(key, order);
}

/** What searches found: layers that differ in their features alone have the same rows, and so has a forward pass that is trained. */
const searched = new Lru<string, readonly number[] | null>({entries: 64});

function* keysOfClasses({words, wordsPerRow}: BitRows, classes: readonly number[][]): Sliced<readonly Int32Array[]> {
  const lists: Int32Array[] = [];
  yield* inSteps(classes.length, 2 * wordsPerRow, (from, end) => {
    for (let index = from; index < end; index++) {
      const row = classes[index]![0]!;
      lists.push(keysIn(words.subarray(row * wordsPerRow, (row + 1) * wordsPerRow)));
    }
  });
  return lists;
}

class Search {
  /** Keys of each class, one after another, and where those of each begin; the same the other way round. */
  private readonly keys: Int32Array;
  private readonly begin: Int32Array;
  private readonly users: Int32Array;
  private readonly usersBegin: Int32Array;
  /** What `all` would look at. */
  readonly steps: number;

  private readonly used: Uint8Array;
  /** The group that has a key last, and how many keys of the group a class has. */
  private readonly groupOf: Int32Array;
  private readonly shared: Int32Array;
  private group = 0;

  /** `lists`: the keys of each class. */
  constructor(
    lists: readonly Int32Array[],
    keyLength: number,
    private readonly classes: readonly number[][],
  ) {
    this.begin = new Int32Array(classes.length + 1);
    lists.forEach(({length}, index) => (this.begin[index + 1] = this.begin[index]! + length));
    this.keys = new Int32Array(this.begin[classes.length]!);
    lists.forEach((list, index) => this.keys.set(list, this.begin[index]!));
    this.usersBegin = new Int32Array(keyLength + 1);
    for (const key of this.keys) this.usersBegin[key + 1]! += 1;
    let steps = 0;
    for (let key = 0; key < keyLength; key++) {
      steps += this.usersBegin[key + 1]! ** 2;
      this.usersBegin[key + 1]! += this.usersBegin[key]!;
    }
    this.steps = steps;
    this.users = new Int32Array(this.keys.length);
    const next = this.usersBegin.slice();
    for (let index = 0; index < classes.length; index++)
      for (let at = this.begin[index]!; at < this.begin[index + 1]!; at++) this.users[next[this.keys[at]!]!++] = index;
    this.used = new Uint8Array(classes.length);
    this.groupOf = new Int32Array(keyLength).fill(-1);
    this.shared = new Int32Array(classes.length);
  }

  private keysOf(index: number): number {
    return this.begin[index + 1]! - this.begin[index]!;
  }

  /** Whether a few groups have so many fewer keys than as many rows that follow one another. */
  *isWorth(): Sliced<boolean> {
    const {classes, used} = this;
    if (classes.length <= 2 * TRIAL_ROWS) return classes.length > 2;
    let [found, given, pairs] = [0, 0, 0];
    for (let trial = 0; trial < TRIALS; trial++) {
      const seed = Math.floor(((trial + 0.5) / TRIALS) * (classes.length - TRIAL_ROWS));
      used.fill(0);
      const group = yield* this.gather(seed, TRIAL_ROWS, () => -1);
      const successive = Array.from({length: group.length}, (_, i) => seed + i);
      const sum = group.reduce((all, index) => all + this.keysOf(index), 0);
      pairs += sum;
      found += this.distinct(group) / Math.max(1, sum);
      given +=
        this.distinct(successive) /
        Math.max(
          1,
          successive.reduce((all, index) => all + this.keysOf(index), 0),
        );
    }
    used.fill(0);
    return pairs > 0 && found < (1 - WORTH) * given;
  }

  private distinct(group: readonly number[]): number {
    const stamp = this.group++;
    let count = 0;
    for (const index of group)
      for (let at = this.begin[index]!; at < this.begin[index + 1]!; at++) {
        if (this.groupOf[this.keys[at]!] === stamp) continue;
        this.groupOf[this.keys[at]!] = stamp;
        count++;
      }
    return count;
  }

  *all(): Sliced<number[]> {
    const {classes, used} = this;
    const seeds = Array.from(classes, (_, index) => index).sort((a, b) => this.keysOf(a) - this.keysOf(b) || a - b);
    let at = 0;
    const next = (): number => {
      while (at < seeds.length && used[seeds[at]!] === 1) at++;
      return seeds[at] ?? -1;
    };
    const order: number[] = [];
    for (let seed = next(); seed >= 0; seed = next()) order.push(...(yield* this.gather(seed, GROUP, next)));
    return order;
  }

  /** A group of some rows that begins with a class; `next` says what to take where no class shares a key, −1 for nothing. */
  private *gather(seed: number, rows: number, next: () => number): Sliced<number[]> {
    const {used, shared, groupOf, keys, begin, users, usersBegin} = this;
    const stamp = this.group++;
    const near: number[] = [];
    const group: number[] = [];
    let count = 0;
    for (let index = seed; index >= 0;) {
      used[index] = 1;
      group.push(index);
      count += this.classes[index]!.length;
      if (count >= rows) break;
      yield;
      for (let at = begin[index]!; at < begin[index + 1]!; at++) {
        const key = keys[at]!;
        if (groupOf[key] === stamp) continue;
        groupOf[key] = stamp;
        for (let user = usersBegin[key]!; user < usersBegin[key + 1]!; user++) {
          const other = users[user]!;
          if (used[other] === 1) continue;
          if (shared[other] === 0) near.push(other);
          shared[other]! += 1;
        }
      }
      index = -1;
      let fewest = Infinity;
      let kept = 0;
      for (const other of near) {
        if (used[other] === 1) continue;
        near[kept++] = other;
        const fresh = this.keysOf(other) - shared[other]!;
        if (fresh < fewest || (fresh === fewest && shared[other]! > shared[index]!)) [index, fewest] = [other, fresh];
      }
      near.length = kept;
      if (index < 0) index = next();
    }
    for (const other of near) shared[other] = 0;
    for (const other of group) shared[other] = 0;
    return group;
  }
}
