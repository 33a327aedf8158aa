import {existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

/** What a run needs to go on where the last one was cut off. */
export interface State {
  /** Steps that were taken. */
  readonly step: number;
  /** What they took. */
  readonly seconds: number;
}

interface Stored extends State {
  readonly tensors: readonly {readonly name: string; readonly shape: readonly number[]; readonly file: string}[];
}

/** One file would be larger than some hosts let pass. */
const GROUPS = ['weights', 'first_moments', 'second_moments'];
const ENDING = '.bin';

/** Writes variables and the state of the optimizer; a run that is killed meanwhile leaves the last checkpoint whole. */
export async function saveCheckpoint(folder: string, state: State, optimizer: tf.AdamOptimizer, variables: readonly tf.Variable[]) {
  const [iterations, ...moments] = await optimizer.getWeights();
  const half = moments.length / 2;
  const groups = [
    variables.map((variable) => ({name: variable.name, tensor: variable})),
    moments.slice(0, half),
    moments.slice(half),
  ];
  const tensors = [];
  for (const [i, group] of groups.entries()) {
    const arrays = await Promise.all(group.map(({tensor}) => tensor.data()));
    const file = `${GROUPS[i]}.${state.step}${ENDING}`;
    write(folder, file, Buffer.concat(arrays.map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength))));
    tensors.push(...group.map(({name, tensor}) => ({name, shape: tensor.shape, file})));
  }
  const stored: Stored = {...state, tensors};
  // From here on the new files count.
  write(folder, 'state.json', JSON.stringify(stored));
  const current = new Set(tensors.map(({file}) => file));
  for (const file of readdirSync(folder)) if (file.endsWith(ENDING) && !current.has(file)) rmSync(join(folder, file));
  iterations!.tensor.dispose();
}

/** All of a file or nothing. */
function write(folder: string, file: string, content: Buffer | string): void {
  const next = join(folder, 'next');
  writeFileSync(next, content);
  renameSync(next, join(folder, file));
}

/** Names are those of a process; what has to be the same are the shapes, in their order. */
function checkShapes(path: string, stored: Stored['tensors'], variables: readonly tf.Variable[]): void {
  const texts = [stored, variables].map((list) => list.map(({shape}) => shape.join(' × ')));
  const at = texts[1]!.findIndex((text, i) => text !== texts[0]![i]);
  if (at < 0) return;
  const found = `${path} has ${texts[0]![at] ?? 'nothing'} where ${variables[at]!.name} is ${texts[1]![at]!}`;
  throw new Error(`${found}: it is of another model. Begin anew in another folder, or go on with the version that wrote it.`);
}

/** Fills variables and optimizer from the last checkpoint; the first state when there is none. */
export async function loadCheckpoint(
  folder: string,
  optimizer: tf.AdamOptimizer,
  variables: readonly tf.Variable[],
): Promise<State> {
  const path = join(folder, 'state.json');
  if (!existsSync(path)) return {step: 0, seconds: 0};
  const {tensors, ...state} = JSON.parse(readFileSync(path, 'utf8')) as Stored;
  checkShapes(path, tensors.slice(0, variables.length), variables);
  const files = new Set(tensors.map(({file}) => file));
  const loaded = [...files].flatMap((file) => {
    const bytes = readFileSync(join(folder, file));
    let offset = 0;
    return tensors
      .filter((tensor) => tensor.file === file)
      .map(({name, shape}) => {
        const length = tf.util.sizeFromShape([...shape]);
        const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * length));
        offset += 4 * length;
        return {name, tensor: tf.tensor(values, [...shape])};
      });
  });
  for (const [i, variable] of variables.entries()) variable.assign(loaded[i]!.tensor);
  const iterations = {name: 'iter', tensor: tf.scalar(state.step, 'int32')};
  await optimizer.setWeights([iterations, ...loaded.slice(variables.length)]);
  return state;
}
