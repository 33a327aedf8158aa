/** What a cache holds: where tokens go, and what each sequence has. */
export interface Held {
  readonly sinks: number;
  readonly ring: number;
  readonly sequences: readonly HeldSequence[];
}

export interface HeldSequence {
  /** Tokens, new ones included. */
  readonly tokens: number;
  /** The position of the first new one. */
  readonly first: number;
  /** Where in the memory of the cache it lies. */
  readonly row: number;
  /** The row that holds its older tokens, or −1 when its own does. */
  readonly source: number;
  /** Slots of the positions from `tokens` up to this one hold tokens that were taken back, or those of another sequence. */
  readonly deadEnd: number;
  /** Added to the index of a bias. */
  readonly biasBase: number;
}

/**
 * How kernels read it, in pairs of the schedule: (sinks, ring), (places of a line that are written, slots that are copied), then of each
 * sequence (tokens, first), (row, deadEnd), (biasBase, source).
 */
export const heldPairs = (batch: number): number => 2 + 3 * batch;

export function writeHeld(words: Int32Array, pair: number, held: Held, capacity: number): void {
  let at = 2 * pair;
  const write = (x: number, y: number): void => {
    words[at++] = x;
    words[at++] = y;
  };
  write(held.sinks, held.ring);
  write(placesOf(held), copiedOf(held, capacity));
  for (const {tokens, first, row, deadEnd, biasBase, source} of held.sequences) {
    write(tokens, first);
    write(row, deadEnd);
    write(biasBase, source);
  }
}

/** Slots that are written in a line at most: those of new tokens that no later one overwrites, and dead ones, which become zeros. */
export function placesOf({sinks, ring, sequences}: Held): number {
  let most = 0;
  for (const {tokens, first, deadEnd} of sequences) {
    const own = Math.max(Math.min(tokens, sinks) - first, 0);
    const turns = Math.max(tokens - Math.max(first, sinks, tokens - ring), 0);
    most = Math.max(most, own + turns + Math.max(deadEnd - tokens, 0));
  }
  return most;
}

/** Slots that are copied from one row to another, at most. */
export function copiedOf({sequences}: Held, capacity: number): number {
  let most = 0;
  for (const {first, source} of sequences) if (source >= 0) most = Math.max(most, Math.min(first, capacity));
  return most;
}

/** What programs of a cache know of its sequences. */
export const HELD = /* wgsl */ `
// (sinks, ring)
fn roomHeld() -> vec2i { return schedule[params.held]; }
// (places of a line that are written, slots that are copied)
fn mostHeld() -> vec2i { return schedule[params.held + 1u]; }
fn sequenceAt(batch: u32) -> u32 { return params.held + 2u + 3u * batch; }
// (tokens, the first new one)
fn heldBy(batch: u32) -> vec2i { return schedule[sequenceAt(batch)]; }
// (row in the cache, end of what is dead)
fn rowOf(batch: u32) -> vec2i { return schedule[sequenceAt(batch) + 1u]; }
// (added to the index of a bias, row that holds its older tokens)
fn otherOf(batch: u32) -> vec2i { return schedule[sequenceAt(batch) + 2u]; }
`;

/** What terms of scores need that ask where the key in a slot stands. */
export const HELD_AT = /* wgsl */ `
// As positionOf in src/acsr/slots.ts; of slots that hold nothing, anything.
fn heldAt(slot: i32, tokens: i32) -> i32 {
  let room = roomHeld();
  return select(slot + room.y * ((tokens - 1 - slot) / room.y), slot, slot < room.x);
}
`;
