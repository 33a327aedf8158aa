import {env} from '@tensorflow/tfjs-core';
import {LayersModel, type SymbolicTensor} from '@tensorflow/tfjs-layers';
import type {Pattern} from '../pattern/index.js';
import {DotAttention} from './dot_attention.js';
import type {DotStack} from './dot_stacks.js';

/**
 * Puts one layer in the place of two `dot` layers and a softmax: the tensor that the last of them made comes from it from now on, so that
 * what reads the tensor, and models that have it as an output, need no change. The layer takes the name of the last `dot`.
 *
 * @returns The layer.
 */
export function replaceStack({model, node, inputs, args}: DotStack, pattern: Pattern): DotAttention {
  const {outboundLayer: last, outputTensors} = node;
  const [output] = outputTensors as [SymbolicTensor];
  // A layer may be used in other places, too; it keeps its name then.
  const alone =
    Object.values(model.nodesByDepth)
      .flat()
      .filter(({outboundLayer}) => outboundLayer === last).length === 1;
  const layer = new DotAttention({...args, pattern, name: alone ? last.name : freeName(model, `${last.name}_attention`)});
  const made = layer.apply(inputs.length === 1 ? inputs[0]! : [...inputs]) as SymbolicTensor;
  const {nodeIndex, tensorIndex, callArgs} = made;
  Object.assign(output, {sourceLayer: layer, inputs: made.inputs, nodeIndex, tensorIndex, callArgs});
  layer.inboundNodes[nodeIndex]!.outputTensors = [output];
  for (const reader of last.outboundNodes.filter(({inputTensors}) => inputTensors.includes(output))) {
    reader.inputTensors.forEach((tensor, i) => {
      if (tensor !== output) return;
      reader.inboundLayers[i] = layer;
      reader.nodeIndices[i] = nodeIndex;
      reader.tensorIndices[i] = tensorIndex;
    });
    layer.outboundNodes.push(reader);
    last.outboundNodes.splice(last.outboundNodes.indexOf(reader), 1);
  }
  listAnew(model);
  return layer;
}

function freeName(model: LayersModel, name: string): string {
  const names = new Set(model.layers.map((layer) => layer.name));
  let free = name;
  for (let i = 1; names.has(free); i++) free = `${name}_${i}`;
  return free;
}

/** What a model keeps of its graph, which TensorFlow.js finds out when it makes one. */
function listAnew(model: LayersModel): void {
  const {inputs, outputs, name} = model;
  const fresh = new LayersModel({inputs, outputs, name});
  const {layers, layersByDepth, nodesByDepth, containerNodes, outputLayers, outputLayersNodeIndices, outputLayersTensorIndices} =
    fresh;
  const {outputNames, internalContainerRefs} = fresh;
  Object.assign(model, {
    layers,
    layersByDepth,
    nodesByDepth,
    containerNodes,
    outputLayers,
    outputLayersNodeIndices,
    outputLayersTensorIndices,
  });
  Object.assign(model, {outputNames, internalContainerRefs});
  forgetOrders();
}

/** TensorFlow.js (4.22) keeps the order in which it runs a model by the names of inputs and outputs; a size of 0 empties that cache. */
function forgetOrders(): void {
  const flag = 'TOPOLOGICAL_SORT_CACHE_MAX_ENTRIES';
  const size = env().getNumber(flag);
  env().set(flag, 0);
  env().set(flag, size);
}
