import {parseArgs} from 'node:util';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import {loadGraphModelSync, type GraphModel} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {full, sparseIOHandler} from '../src/index.js';
import {executedNodes} from '../test/support/executed_nodes.js';
import {encoderGraph, encoderInputs, GRAPHS, type BertSizes} from './model_graphs.js';
import {list, oneOf, positive} from './options.js';
import {digits, median, textTable, times} from './table.js';

const BACKENDS = ['wasm', 'cpu', 'webgpu'] as const;

const HELP = `npm run bench:folds -- [options]
  --backends wasm,cpu,webgpu  where it runs
  --graphs matMul             how the graph is written: ${GRAPHS.join(', ')}
  --n 128                     tokens
  --layers 4                  layers of 4 heads of 64, 1,024 features in between: BERT mini
  --rounds 7                  a run of each, turn by turn`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  backends: {type: 'string', default: BACKENDS.join()},
  graphs: {type: 'string', default: 'matMul'},
  n: {type: 'string', default: '128'},
  layers: {type: 'string', default: '4'},
  rounds: {type: 'string', default: '7'},
} as const;

/** What a median of so few rounds may be off by, before folding counts as slower. */
const NOISE = 0.05;

const SYSTEMS = ['as it is', 'swapped', 'folded'] as const;
type System = (typeof SYSTEMS)[number];

const HANDLERS: Readonly<Record<System, (artifacts: tf.io.ModelArtifacts) => {load(): tf.io.ModelArtifacts}>> = {
  'as it is': (artifacts) => ({load: () => artifacts}),
  swapped: (artifacts) => sparseIOHandler(artifacts, {pattern: full(), fold: false}),
  folded: (artifacts) => sparseIOHandler(artifacts, {pattern: full()}),
};

/** Times a folded BERT against itself as it is, where a run is bound by arithmetic: folding must not make it slower there. */
export async function main(args: readonly string[]): Promise<number> {
  const {values} = parseArgs({args: [...args], options: OPTIONS});
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [n, layers, rounds] = (['n', 'layers', 'rounds'] as const).map((name) => positive(`--${name}`, values[name])) as [
    number,
    number,
    number,
  ];
  const sizes: BertSizes = {layers, heads: 4, headDim: 64, ffn: 1024, vocabulary: 1000};
  const rows: string[][] = [];
  let slower = 0;
  for (const name of list(values.backends).map((text) => oneOf('--backends', text, BACKENDS))) {
    if (!(await tf.setBackend(name))) throw new Error(`TensorFlow.js has no backend ${name} here.`);
    for (const graph of list(values.graphs).map((text) => oneOf('--graphs', text, GRAPHS))) {
      const artifacts = encoderGraph(graph, sizes, n);
      const inputs = encoderInputs(sizes, n);
      const {ms, ratios} = await timesOf(artifacts, inputs, rounds);
      tf.dispose(inputs);
      for (const system of SYSTEMS) {
        const share = median(ratios[system]);
        if (system === 'folded' && share > 1 + NOISE) slower++;
        const nodes = executedNodes(HANDLERS[system](artifacts).load()).length;
        rows.push([name, graph, system, String(nodes), digits(median(ms[system])), times(share)]);
      }
    }
  }
  console.log(`BERT, ${layers} × (4 heads of 64, 1,024 features in between), ${n} tokens; medians of ${rounds} rounds.\n`);
  console.log(textTable(['backend', 'graph', 'system', 'nodes', 'ms', '× as it is'], rows));
  if (slower > 0) console.log(`\nFolded is slower than as it is, ${slower} times, by more than ${100 * NOISE} %.`);
  return slower > 0 ? 1 : 0;
}

/** Milliseconds of each run, and of each round what they are of the run as it is. */
async function timesOf(
  artifacts: tf.io.ModelArtifacts,
  inputs: tf.NamedTensorMap,
  rounds: number,
): Promise<Record<'ms' | 'ratios', Record<System, number[]>>> {
  const models = SYSTEMS.map((system) => ({system, model: loadGraphModelSync(HANDLERS[system](artifacts))}));
  const once = async (model: GraphModel<tf.io.IOHandlerSync>): Promise<{ms: number; values: ArrayLike<number>}> => {
    const start = performance.now();
    const outputs = [model.execute(inputs)].flat();
    const read = await Promise.all(outputs.map((output) => output.data()));
    const ms = performance.now() - start;
    tf.dispose(outputs);
    return {ms, values: read[0]!};
  };
  const none = (): Record<System, number[]> => ({'as it is': [], swapped: [], folded: []});
  const [ms, ratios] = [none(), none()];
  // Once each, so that pipelines and uploads are there; a time of wrong numbers is worth nothing.
  const [expected, ...found] = await Promise.all(models.map(async ({model}) => (await once(model)).values));
  for (const values of found) expectSame(values, expected!);
  for (let round = 0; round < rounds; round++) {
    for (const {system, model} of models) {
      ms[system].push((await once(model)).ms);
      ratios[system].push(ms[system].at(-1)! / ms['as it is'].at(-1)!);
    }
  }
  for (const {model} of models) model.dispose();
  return {ms, ratios};
}

function expectSame(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const difference = Array.from(expected).reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
  if (!(difference <= 1e-4 * largest)) throw new Error(`The outputs differ by ${difference}, of ${largest}.`);
}
