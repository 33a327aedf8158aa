import {median} from '../../bench/table.js';
import {startSession, type ByteModel, type Mode, type Session} from '../language_model/index.js';
import type {Progress} from '../shell/progress.js';
import {MODES, type LengthRow} from './table.js';

/** A model for each way to attend. */
export type Models = Readonly<Record<Mode, ByteModel>>;

export interface Request {
  readonly models: Models;
  /** What the models read. */
  readonly prompt: Uint8Array;
  /** Bytes to write. */
  readonly count: number;
  readonly temperature: number;
  readonly seed: number;
}

/** How far one of the two is. */
export interface State {
  readonly written: Uint8Array;
  /** Milliseconds from the text to the first byte. */
  readonly firstMs: number;
  /** The median of a byte after it. */
  readonly byteMs: number | null;
  /** Keys and values of all layers. */
  readonly cacheBytes: number;
}

interface Writer {
  readonly session: Session;
  readonly written: number[];
  readonly times: number[];
  firstMs: number;
}

/** Both models go on with the prompt in turns, so that they meet the same machine. `onState` gets the state after each byte. */
export async function generate(request: Request, progress: Progress, onState: (mode: Mode, state: State) => void): Promise<void> {
  const {models, prompt, count, temperature, seed} = request;
  const writers = new Map<Mode, Writer>();
  const steps = MODES.length * (count + 4);
  let done = 0;
  try {
    for (const mode of MODES) {
      await progress.step(done / steps, `${mode}: reading ${prompt.length.toLocaleString('en')} bytes`);
      const session = startSession(models[mode], mode, prompt.length + count + 1);
      const writer: Writer = {session, written: [], times: [], firstMs: 0};
      writers.set(mode, writer);
      const start = performance.now();
      await session.prefill(prompt);
      writer.firstMs = performance.now() - start;
      done += 4;
    }
    for (let index = 0; index < count; index++) {
      for (const mode of MODES) {
        await progress.step(done++ / steps, `${mode}: byte ${index + 1} of ${count}`);
        const writer = writers.get(mode)!;
        const start = performance.now();
        writer.written.push(await writer.session.next({temperature, seed}));
        // The next byte is being computed already; without waiting, that would count as time of the other one.
        await writer.session.logits();
        writer.times.push(performance.now() - start);
        onState(mode, stateOf(writer));
      }
    }
  } finally {
    for (const {session} of writers.values()) session.dispose();
  }
}

const stateOf = ({session, written, times, firstMs}: Writer): State => ({
  written: Uint8Array.from(written),
  firstMs,
  byteMs: times.length > 0 ? median(times) : null,
  cacheBytes: session.cacheBytes,
});

/** Measures one length: a short text first, so that nothing of it is compiling. */
export async function measureLength(request: Request, progress: Progress): Promise<LengthRow[]> {
  const states = new Map<Mode, State>();
  await generate(request, progress, (mode, state) => states.set(mode, state));
  return MODES.map((mode) => {
    const {firstMs, byteMs, cacheBytes} = states.get(mode)!;
    return {context: request.prompt.length, mode, firstMs, byteMs: byteMs!, cacheBytes};
  });
}
