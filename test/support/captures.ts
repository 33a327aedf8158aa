import * as tf from '@tensorflow/tfjs-core';
import {capture, type CaptureOptions, type Numbers, type Replay, type Tensors} from '../../src/index.js';

const tensorsOf = (given: Tensors): tf.Tensor[] =>
  given instanceof tf.Tensor ? [given] : Array.isArray(given) ? given : Object.values(given);

const bitsOf = (numbers: Numbers): string => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength).join();

/** What outputs are: names, shapes, dtypes and every bit. */
export async function outputsOf(given: Tensors): Promise<unknown> {
  const tensors = tensorsOf(given);
  const bits = await Promise.all(tensors.map(async (tensor) => bitsOf((await tensor.data()) as Numbers)));
  return {
    names: Object.keys(given instanceof tf.Tensor ? {one: 0} : given),
    shapes: tensors.map(({shape, dtype}) => [dtype, ...shape]),
    bits,
  };
}

/**
 * Captures a function and replays it with inputs that the capture has not seen, bit for bit against the function itself. `inputs` makes
 * those of each round; with 0 it is captured.
 */
export async function expectReplays<Inputs extends Tensors, Outputs extends Tensors>(
  run: (inputs: Inputs) => Outputs,
  inputs: (round: number) => Inputs,
  options: CaptureOptions = {},
  /** Looks at the replay before it is disposed of. */
  look: (replay: Replay<Inputs, Outputs>) => Promise<void> | void = () => undefined,
): Promise<void> {
  const examples = inputs(0);
  const replay = await capture(run, examples, options);
  for (const round of [1, 2, 0, 3]) {
    const given = inputs(round);
    // Kept alive: else the pool hands out memory that holds the right answer.
    const expected = tf.tidy(() => run(given)) as Outputs;
    const wanted = await outputsOf(expected);
    const outputs = replay.run(given);
    expect(await outputsOf(outputs))
      .withContext(`round ${round}`)
      .toEqual(wanted);
    const values = (await replay.read(given)) as Numbers | Numbers[] | Record<string, Numbers>;
    const read = ArrayBuffer.isView(values) ? [values] : Object.values(values);
    expect(read.map((numbers) => [numbers.constructor.name, bitsOf(numbers)]))
      .withContext(`round ${round}, read`)
      .toEqual(
        await Promise.all(
          tensorsOf(expected).map(async (tensor) => {
            const numbers = (await tensor.data()) as Numbers;
            return [numbers.constructor.name, bitsOf(numbers)];
          }),
        ),
      );
    const made = tensorsOf(outputs);
    tf.dispose(made);
    tf.dispose(tensorsOf(expected).filter((tensor) => !(tensor instanceof tf.Variable)));
    tf.dispose(tensorsOf(given));
  }
  await look(replay);
  replay.dispose();
  tf.dispose(tensorsOf(examples));
}
