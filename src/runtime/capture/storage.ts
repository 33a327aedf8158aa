/** When something needs memory: from the first step that uses it to the last one. */
export interface LifeSpan {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface Storage {
  /** Bytes of each buffer. */
  readonly buffers: readonly number[];
  /** Of each span, the number of its buffer. */
  readonly places: readonly number[];
}

/**
 * Gives spans that no step has in common the same buffer. Whole buffers, for WebGPU lets no dispatch read one part of a buffer and write
 * another. The largest are placed first, each into the tightest buffer that is free for as long (TensorFlow Lite's greedy by size).
 */
export function planStorage(spans: readonly LifeSpan[]): Storage {
  const buffers: {readonly bytes: number; readonly held: LifeSpan[]}[] = [];
  const places = new Array<number>(spans.length);
  const bySize = [...spans.keys()].sort((a, b) => spans[b]!.bytes - spans[a]!.bytes || spans[a]!.first - spans[b]!.first);
  for (const i of bySize) {
    const span = spans[i]!;
    // Those that were made last are the smallest, and large enough: they hold a larger span.
    let place = buffers.length - 1;
    while (place >= 0 && !buffers[place]!.held.every(({first, last}) => last < span.first || span.last < first)) place--;
    if (place < 0) place = buffers.push({bytes: span.bytes, held: []}) - 1;
    buffers[place]!.held.push(span);
    places[i] = place;
  }
  return {buffers: buffers.map(({bytes}) => bytes), places};
}
