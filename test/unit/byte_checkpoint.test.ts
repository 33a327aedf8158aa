import fs, {existsSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {syncBuiltinESMExports} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import '@tensorflow/tfjs'; // With the gradients of all ops.
import * as tf from '@tensorflow/tfjs-core';
import {loadCheckpoint, saveCheckpoint, type State} from '../../demo/language_model/train/checkpoint.js';

const FIRST: State = {step: 0, seconds: 0};

/** Two weights and the optimizer of the byte model, as a process has them that was just started. */
class Run {
  static #count = 0;
  readonly variables = [
    tf.variable(tf.tensor2d([1, -2, 3, 4], [2, 2]), true, `a${Run.#count}`),
    tf.variable(tf.tensor1d([0.5, 2, -1]), true, `b${Run.#count++}`),
  ] as const;
  readonly #optimizer = tf.train.adam(0.05, 0.9, 0.98);

  train(from: number, to: number): void {
    const [a, b] = this.variables;
    for (let step = from; step < to; step++) {
      // Gradients that differ from step to step, so that the moments matter.
      this.#optimizer.minimize(() => tf.add(tf.sum(tf.square(tf.sub(a, step))), tf.sum(tf.mul(tf.sin(b), step % 3))));
    }
  }

  save(folder: string, state: State): Promise<void> {
    return saveCheckpoint(folder, state, this.#optimizer, this.variables);
  }

  load(folder: string): Promise<State> {
    return loadCheckpoint(folder, this.#optimizer, this.variables);
  }

  numbers(): number[] {
    return this.variables.flatMap((variable) => Array.from(variable.dataSync()));
  }
}

describe('checkpoints of the byte model', () => {
  let folder: string;

  beforeEach(async () => {
    await tf.setBackend('cpu');
    folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
  });

  afterEach(() => rmSync(folder, {recursive: true}));

  it('let a run that was cut off end where an unbroken one does', async () => {
    const unbroken = new Run();
    unbroken.train(0, 12);
    for (const [from, to] of [
      [0, 5],
      [5, 6],
      [6, 12],
    ] as const) {
      const run = new Run();
      expect((await run.load(folder)).step).toBe(from);
      run.train(from, to);
      await run.save(folder, {step: to, seconds: 10 * to});
    }
    const ended = new Run();
    expect(await ended.load(folder)).toEqual({step: 12, seconds: 120});
    // The powers of beta are computed anew, and rounded otherwise.
    ended.numbers().forEach((value, i) => expect(value).toBeCloseTo(unbroken.numbers()[i]!, 5));
  });

  it('begin at the first step, also after a run that took none', async () => {
    const run = new Run();
    const before = run.numbers();
    expect(await run.load(folder)).toEqual(FIRST);
    await run.save(folder, FIRST);
    const next = new Run();
    expect(await next.load(folder)).toEqual(FIRST);
    next.train(0, 1);
    expect(next.numbers()).not.toEqual(before);
  });

  it('of another model are refused before anything is changed', async () => {
    const run = new Run();
    await run.save(folder, {step: 3, seconds: 1});
    const other = tf.variable(tf.zeros([2, 6]), true, 'queryKeyValue');
    await expectAsync(loadCheckpoint(folder, tf.train.adam(0.05), [other])).toBeRejectedWithError(
      /state\.json has 2 × 2 where queryKeyValue is 2 × 6: it is of another model\. Begin anew/,
    );
    expect(other.dataSync().every((value) => value === 0)).toBeTrue();
    other.dispose();
  });

  it('are whole wherever a run is killed while it writes one', async () => {
    const {renameSync} = fs;
    const run = new Run();
    run.train(0, 2);
    await run.save(folder, {step: 2, seconds: 2});
    const old = run.numbers();
    for (let killedAt = 0, killed = true; killed; killedAt++) {
      run.train(2, 3);
      let renames = 0;
      fs.renameSync = (from, to) => {
        if (renames++ === killedAt) throw new Error('killed');
        renameSync(from, to);
      };
      syncBuiltinESMExports();
      killed = await run.save(folder, {step: 3, seconds: 3}).then(
        () => false,
        () => true,
      );
      fs.renameSync = renameSync;
      syncBuiltinESMExports();
      const next = new Run();
      const {step} = await next.load(folder);
      expect([step, ...next.numbers()]).toEqual(killed ? [2, ...old] : [3, ...run.numbers()]);
    }
    expect(existsSync(join(folder, 'state.json'))).toBeTrue();
    expect(readdirSync(folder).length).withContext('old files are removed').toBeLessThan(6);
  });
});
