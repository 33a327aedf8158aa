import type {Reach, SlotLayout} from '../../pure.js';

/** How far the sequences of a cache are. Never changed, but replaced: what a step brings can be put back. */
export class Progress {
  /** Tokens so far, per sequence. */
  readonly lengths: readonly number[];
  /** One past the last position ever written, per sequence: what lies a ring before it is gone, also after a rollback. */
  readonly written: readonly number[];

  constructor(lengths: readonly number[], written = lengths) {
    this.lengths = lengths;
    this.written = written;
  }

  get isEmpty(): boolean {
    return this.lengths.every((length) => length === 0);
  }

  plus(counts: readonly number[]): Progress {
    const lengths = this.lengths.map((length, b) => length + counts[b]!);
    return new Progress(
      lengths,
      this.written.map((written, b) => Math.max(written, lengths[b]!)),
    );
  }

  /** So many tokens are left. */
  backTo(lengths: readonly number[], {sinks}: SlotLayout): Progress {
    // Nothing of the ring is left where a sequence ends in the sinks, so nothing of it is missing.
    return new Progress(
      lengths,
      this.written.map((written, b) => (lengths[b]! <= sinks ? lengths[b]! : written)),
    );
  }

  /** That of a cache whose sequence b is sequence `sequences[b]` of this one. */
  of(sequences: readonly number[]): Progress {
    const [lengths, written] = [this.lengths, this.written].map((counts) => sequences.map((b) => counts[b]!));
    return new Progress(lengths!, written!);
  }

  /** How many of the newest tokens of sequence `b` can go so that everything still in reach is there. */
  rollbackOf(b: number, {sinks, ring}: SlotLayout, {back}: Reach): number {
    const length = this.lengths[b]!;
    const oldest = this.written[b]! - ring; // of the ring
    if (oldest <= sinks) return length;
    return Math.max(0, length - (oldest + back));
  }
}
