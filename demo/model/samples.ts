/** Texts to go on with. Those behind a `file` are longer than any context. */
export interface Sample {
  readonly name: string;
  readonly file?: string;
  readonly text?: string;
}

export const SAMPLES: readonly Sample[] = [
  {name: 'TensorFlow.js documentation', file: '../text/tensorflowjs.txt'},
  {name: 'how tfjs-splat works', file: '../text/architecture.txt'},
  {name: 'TypeScript', file: '../text/source.txt'},
  {name: 'a short one', text: '# Getting started\n\nInstall the package with npm:\n\n```sh\nnpm install '},
];

/** How many bytes to read, and how many to write: what a select offers, and what it begins with. */
export interface Choices {
  readonly contexts: readonly number[];
  readonly context: number;
  readonly counts: readonly number[];
  readonly count: number;
  /** Contexts of the measurement over lengths. */
  readonly sweep: readonly number[];
  /** Bytes written after each of them. */
  readonly sweepCount: number;
}

export function choicesOf(slow: boolean, quick: boolean): Choices {
  if (quick) return {contexts: [48], context: 48, counts: [4], count: 4, sweep: [32, 64], sweepCount: 2};
  if (slow) {
    return {
      contexts: [64, 128, 256, 512, 1024],
      context: 256,
      counts: [16, 48, 96],
      count: 48,
      sweep: [64, 128, 256, 512],
      sweepCount: 4,
    };
  }
  return {
    contexts: [256, 1024, 2048, 4096, 8192, 16384],
    context: 8192,
    counts: [100, 200, 400, 800],
    count: 200,
    sweep: [512, 1024, 2048, 4096, 8192, 16384],
    sweepCount: 16,
  };
}

/** Bytes as text. A character that the model has only begun to write is left for the next time. */
export const readable = (bytes: Uint8Array): string => new TextDecoder().decode(bytes, {stream: true});

/** The last `most` bytes, from the beginning of a character. */
export function tail(bytes: Uint8Array, most: number): Uint8Array {
  let from = Math.max(0, bytes.length - most);
  while (from < bytes.length && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from);
}
