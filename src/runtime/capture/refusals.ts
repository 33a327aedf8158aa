import {SplatError} from '../../support/index.js';
import type {Unrepeatable} from '../host/watcher.js';

interface Words {
  readonly found: string;
  readonly expected: string;
  readonly cure: string;
}

const SAME = 'a function that does the same on the GPU each time';

/** What cannot be repeated, as messages say it. */
const WORDS: Readonly<Record<Unrepeatable | 'kept' | 'disposed' | 'promise', Words>> = {
  read: {
    found: 'a read of the numbers of a tensor',
    expected: 'a function whose numbers stay on the GPU',
    cure: 'Keep reads, loops by data and ops that read (nonMaxSuppression, booleanMask) outside, and capture what lies between.',
  },
  random: {
    found: 'a call of Math.random',
    expected: SAME,
    cure: 'Give random numbers as an input, or pass a seed that stays the same.',
  },
  timed: {
    found: 'tf.time, tf.profile or the debug mode of TensorFlow.js',
    expected: 'a function that is not timed',
    cure: 'Time the replay: await replay.read(inputs) waits for the GPU.',
  },
  unseen: {
    found: 'work that is not made of tensors (a picture, a canvas, a video, a pipeline that still compiles)',
    expected: 'tensors alone',
    cure: 'Make tensors of pictures outside (tf.browser.fromPixels), and give those as inputs.',
  },
  written: {
    found: 'a write into memory that belongs to somebody else',
    expected: 'a function that writes its own tensors alone',
    cure: 'Give what changes as an input.',
  },
  assigned: {
    found: 'an assignment',
    expected: 'a function that leaves variables as they are',
    cure: 'Return the new numbers as an output, and assign them outside. The variable was not changed.',
  },
  lent: {
    found: 'a GPUBuffer that becomes a tensor, or a tensor that becomes one',
    expected: 'tensors alone',
    cure: 'Make the tensor outside and give it as an input; take buffers from the outputs.',
  },
  prompt: {
    found: 'a prompt of a KvCache (attend on an empty cache)',
    expected: 'steps, which come after it',
    cure: 'Read the prompt outside, before the capture and before a replay. The cache was not changed.',
  },
  growing: {
    found: 'a step of a KvCache with tensors that follow its length',
    expected: 'tensors that are of the same size in every step',
    cure: 'Give relativeBias of a whole sequence, [heads or 1, 2·length − 1], alone, or all biases together as bias, [heads or 1, tokens, maxLength].',
  },
  managed: {
    found: 'a KvCache that is made or changed by another method than attend',
    expected: 'steps alone: a call of attend for each',
    cure: 'Make it, roll it back, reset, reorder, fork and dispose of it between replays.',
  },
  counted: {
    found: 'a read of the lengths of a KvCache',
    expected: SAME,
    cure: 'Give what follows from lengths (positions of tokens) as an input.',
  },
  wide: {
    found: 'a step of a KvCache that TensorFlow.js ops keep, for it has more than 256 features',
    expected: 'a cache that kernels of this package keep',
    cure: 'Run the step without a capture, or capture what lies before and after its attention.',
  },
  replayed: {
    found: 'a replay',
    expected: 'ops alone',
    cure: 'Call the function that it was made of, or replay one after the other: outputs of one may be inputs of the next.',
  },
  captured: {
    found: 'a capture',
    expected: 'ops alone',
    cure: 'Capture outside, one function after the other.',
  },
  kept: {
    found: 'tensors that outlive the function and are not among its outputs',
    expected: 'a function that keeps nothing',
    cure: 'Return them, and give them as inputs to the next run. State of layers (stateful: true) cannot be captured.',
  },
  disposed: {
    found: 'a tensor from outside that the function disposes of',
    expected: 'a function that leaves other tensors alone',
    cure: 'Dispose of it outside, when the replay is no longer needed.',
  },
  promise: {
    found: 'a promise as result',
    expected: 'tensors, returned at once',
    cure: 'Capture what runs before the first await. Graph models with control flow need executeAsync, and cannot be captured.',
  },
};

/** `where`: the op, or what stands in its place. */
export function refusal(what: keyof typeof WORDS, where: string, detail?: string): SplatError {
  const {found, expected, cure} = WORDS[what];
  return new SplatError({
    thing: 'capture',
    found: `${found}${detail === undefined ? '' : ` (${detail})`}, ${where}`,
    expected,
    cure,
  });
}
