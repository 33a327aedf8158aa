import type {layers, LayersModel, SymbolicTensor} from '@tensorflow/tfjs-layers';
import type {DotAttentionArgs} from './dot_attention.js';

type Layer = layers.Layer;
type Node = Layer['inboundNodes'][number];

/** Two `dot` layers around a softmax, in the graph of a model. */
export interface DotStack {
  readonly model: LayersModel;
  /** The last `dot`. */
  readonly node: Node;
  /** Its inputs, each once. */
  readonly inputs: readonly SymbolicTensor[];
  readonly args: Omit<DotAttentionArgs, 'name' | 'pattern'>;
}

/** A softmax between two `dot` layers that stays. */
export interface OtherStack {
  readonly softmax: Layer;
  readonly reason: string;
}

/**
 * Every softmax of a model between two `dot` layers with nothing but layers without weights between, in the order of its layers. Models
 * inside of it are asked by themselves.
 */
export function dotStacksOf(model: LayersModel): readonly (DotStack | OtherStack)[] {
  // A Sequential model has no branches.
  const nodes = Object.values(model.nodesByDepth ?? {}).flat();
  const graph = {model, nodes};
  const softmaxes = model.layers.flatMap((layer) => (isSoftmax(layer) ? nodes.filter((node) => node.outboundLayer === layer) : []));
  return softmaxes.flatMap((softmax): (DotStack | OtherStack)[] => {
    if (!leadsToDot(softmax.inputTensors[0]!) || !reachesDot(graph, softmax.outputTensors[0]!)) return [];
    const stack = readStack(graph, softmax);
    return typeof stack === 'string' ? [{softmax: softmax.outboundLayer, reason: stack}] : [stack];
  });
}

interface Graph {
  readonly model: LayersModel;
  readonly nodes: readonly Node[];
}

const makerOf = ({sourceLayer, nodeIndex}: SymbolicTensor): Node | undefined => sourceLayer.inboundNodes[nodeIndex];
const consumersOf = ({nodes}: Graph, tensor: SymbolicTensor): Node[] =>
  nodes.filter(({inputTensors}) => inputTensors.includes(tensor));
const is = (layer: Layer, className: string): boolean => layer.getClassName() === className;
const isSoftmax = (layer: Layer): boolean =>
  is(layer, 'Softmax') || (is(layer, 'Activation') && layer.getConfig()['activation'] === 'softmax');
const isNothing = (layer: Layer): boolean => is(layer, 'Activation') && layer.getConfig()['activation'] === 'linear';
/** Where another layer begins: one with weights, an input, or a model. */
const isBoundary = (layer: Layer): boolean =>
  layer.weights.length > 0 || is(layer, 'InputLayer') || 'layers' in layer || isSoftmax(layer);

/** Whether a walk over tensors finds a `dot`, with no other layer between. `next` gives the nodes on the other side of a tensor. */
function meetsDot(
  start: SymbolicTensor,
  next: (tensor: SymbolicTensor) => readonly {layer: Layer; on: readonly SymbolicTensor[]}[],
): boolean {
  const seen = new Set([start]);
  for (const tensor of seen) {
    for (const {layer, on} of next(tensor)) {
      if (is(layer, 'Dot')) return true;
      if (!isBoundary(layer)) on.forEach((each) => seen.add(each));
    }
  }
  return false;
}

const leadsToDot = (tensor: SymbolicTensor): boolean =>
  meetsDot(tensor, (at) => [{layer: at.sourceLayer, on: makerOf(at)?.inputTensors ?? []}]);

const reachesDot = (graph: Graph, tensor: SymbolicTensor): boolean =>
  meetsDot(tensor, (at) =>
    consumersOf(graph, at).map(({outboundLayer, outputTensors}) => ({layer: outboundLayer, on: outputTensors})),
  );

const shapeText = (shape: SymbolicTensor['shape']): string => `[${shape.map((size) => size ?? 'null').join(', ')}]`;

function readStack(graph: Graph, softmax: Node): DotStack | string {
  const {rank, shape} = softmax.inputTensors[0]!;
  if (rank !== 3) return `its scores have the shape ${shapeText(shape)}: one query, for which a pattern has nothing to choose`;
  const scores = readScores(graph, softmax);
  if (typeof scores === 'string') return scores;
  const output = readOutput(graph, softmax);
  if (typeof output === 'string') return output;
  const tensors = {query: scores.query, key: scores.key, value: output.value, ...(scores.bias && {bias: scores.bias})};
  for (const [role, {rank, shape}] of Object.entries(tensors)) {
    if (rank !== 3) return `its ${role} has the shape ${shapeText(shape)}, not one of [batch, length, features]`;
  }
  const inputs = [...new Set(Object.values(tensors))];
  const {scale, biasScale, normalize} = scores;
  const at = (tensor: SymbolicTensor): number => inputs.indexOf(tensor);
  return {
    model: graph.model,
    node: output.node,
    inputs,
    args: {
      inputs: {query: at(scores.query), key: at(scores.key), value: at(output.value), bias: scores.bias ? at(scores.bias) : null},
      axes: {...scores.axes, ...output.axes},
      ...{scale, biasScale, normalize, dropout: output.dropout},
    },
  };
}

interface Scores {
  readonly query: SymbolicTensor;
  readonly key: SymbolicTensor;
  readonly axes: Pick<DotAttentionArgs['axes'], 'query' | 'key'>;
  readonly scale: number;
  readonly normalize: boolean;
  readonly bias?: SymbolicTensor;
  readonly biasScale: number;
}

/** The axes that a `dot` sums over, counted from the batch. */
function dotAxes({outboundLayer, inputTensors}: Node): readonly number[] {
  const {axes} = outboundLayer.getConfig() as {readonly axes?: number | readonly number[]};
  return inputTensors.map(({rank}, i) => {
    const axis = (Array.isArray(axes) ? (axes as readonly number[])[i] : (axes as number)) ?? 0;
    return axis < 0 ? axis + rank : axis;
  });
}

const order = (features: number): 'ld' | 'dl' => (features === 2 ? 'ld' : 'dl');

/** From the softmax up to the first `dot`. */
function readScores(graph: Graph, softmax: Node): Scores | string {
  const layer = softmax.outboundLayer;
  if (is(layer, 'Softmax')) {
    const axes = [layer.getConfig()['axis']].flat();
    if (axes.length !== 1 || (axes[0] !== -1 && axes[0] !== 2)) return `its softmax has the axis ${axes.join()}, not the last one`;
    const masking = graph.model.layers.find((other) => is(other, 'Masking') || other.getConfig()['maskZero'] === true);
    if (masking !== undefined) return `TensorFlow.js hands the mask of '${masking.name}' to its Softmax layer`;
  }
  let [scale, biasScale] = [1, 1];
  let bias: SymbolicTensor | undefined;
  let tensor = softmax.inputTensors[0]!;
  for (let node = makerOf(tensor); node !== undefined; node = makerOf(tensor)) {
    const read = readElsewhere(graph, tensor, 'scores');
    if (read !== undefined) return read;
    const {outboundLayer: maker, inputTensors} = node;
    if (is(maker, 'Dot')) {
      const [query, key] = inputTensors as [SymbolicTensor, SymbolicTensor];
      const [ofQuery, ofKey] = dotAxes(node) as [number, number];
      const normalize = maker.getConfig()['normalize'] === true;
      return {query, key, axes: {query: order(ofQuery), key: order(ofKey)}, scale, normalize, biasScale, ...(bias && {bias})};
    }
    if (is(maker, 'Rescaling')) {
      // What it adds is the same for all scores, and softmax does not see it.
      scale *= Number(maker.getConfig()['scale']);
      tensor = inputTensors[0]!;
    } else if (isNothing(maker)) {
      tensor = inputTensors[0]!;
    } else if (is(maker, 'Add') && inputTensors.length === 2 && bias === undefined) {
      const at = inputTensors.findIndex(leadsToDot);
      if (at < 0 || inputTensors.every(leadsToDot)) return `'${maker.name}' adds two products`;
      bias = inputTensors[1 - at];
      biasScale = scale;
      tensor = inputTensors[at]!;
    } else {
      return `the ${maker.getClassName()} '${maker.name}' stands between its first dot and the softmax`;
    }
  }
  return `'${tensor.name}' does not come from a dot`;
}

/** From the softmax down to the second `dot`. */
function readOutput(
  graph: Graph,
  softmax: Node,
): {node: Node; value: SymbolicTensor; axes: Pick<DotAttentionArgs['axes'], 'value' | 'output'>; dropout: number} | string {
  let dropout = 0;
  let tensor = softmax.outputTensors[0]!;
  for (;;) {
    const read = readElsewhere(graph, tensor, 'probabilities');
    if (read !== undefined) return read;
    const [node] = consumersOf(graph, tensor);
    const {outboundLayer: layer} = node!;
    const config = layer.getConfig();
    if (is(layer, 'Dropout') && config['noiseShape'] == null && dropout === 0 && Number(config['rate']) < 1) {
      dropout = Number(config['rate']);
      tensor = node!.outputTensors[0]!;
    } else if (isNothing(layer)) {
      tensor = node!.outputTensors[0]!;
    } else if (is(layer, 'Dot')) {
      return readLast(node!, tensor, dropout);
    } else {
      return `the ${layer.getClassName()} '${layer.name}' stands between the softmax and its second dot`;
    }
  }
}

function readLast(node: Node, probabilities: SymbolicTensor, dropout: number): ReturnType<typeof readOutput> {
  const {outboundLayer: layer, inputTensors} = node;
  const at = inputTensors.indexOf(probabilities);
  const value = inputTensors[1 - at];
  const axes = dotAxes(node);
  if (value === undefined || value === probabilities) return `'${layer.name}' multiplies the probabilities with themselves`;
  if (layer.getConfig()['normalize'] === true) return `'${layer.name}' normalises the probabilities`;
  if (axes[at] !== 2) return `'${layer.name}' sums over the queries of the probabilities, not over the keys`;
  // The value has its keys where it is summed over.
  const ofValue = order(axes[1 - at] === 1 ? 2 : 1);
  return {node, value, axes: {value: ofValue, output: at === 0 ? 'ld' : 'dl'}, dropout};
}

/** Why a tensor of all pairs cannot go: it is asked for by something else than the next layer. */
function readElsewhere(graph: Graph, tensor: SymbolicTensor, what: string): string | undefined {
  if (graph.model.outputs.includes(tensor)) return `its ${what} are an output of the model`;
  const readers = consumersOf(graph, tensor).map(({outboundLayer}) => `'${outboundLayer.name}'`);
  return readers.length === 1 ? undefined : `its ${what} are read by ${readers.join(' and ')}; a swap never computes them`;
}
