import type {layers, LayersModel} from '@tensorflow/tfjs-layers';
import {full, Pattern} from '../pattern/index.js';
import {refuse} from '../support/index.js';
import {checkPattern, sayArgument, type Heads, type PatternArgument} from './arguments.js';
import {dotStacksOf, type DotStack} from './dot_stacks.js';
import {isPatterned, type PatternedLayer} from './patterned.js';
import {replaceStack} from './replace_stack.js';

type Layer = layers.Layer;

/** What `replaceAttention` did, layer by layer, in the order of the model. `String(report)` says all of it in lines of text. */
export interface AttentionReport {
  readonly replaced: readonly {readonly name: string; readonly from: Pattern; readonly to: Pattern}[];
  /** Layers of other classes whose name speaks of attention, and a softmax between two `dot` layers that stays. */
  readonly left: readonly {readonly name: string; readonly className: string; readonly reason: string}[];
}

/**
 * Gives the attention layers of a model another pattern: every `MultiHeadAttention` and `GroupedQueryAttention`, also in models inside
 * the model and in wrappers, and also those of another copy of this package. Where stock layers compute attention, two `dot` layers around a
 * softmax, one layer takes their place; before the last `dot` there may be Rescaling, an added mask and Dropout.
 *
 * It changes the model itself and makes no other one: weights, optimizer and compiled state stay as they are, and
 * `report.replaced[i].from` is what to set to go back, `full()` for stock layers. Nothing is changed when an argument is refused. Saving
 * the model saves the patterns; import this package before loading it.
 *
 * @param pattern One for all layers, or an array with one for each in the order of `model.layers`; a pattern or its text. A layer may have
 *   one for each query head: `perHead([…])` for all layers, an array in the array for one of them.
 * @throws SplatError for what is no layers model or no pattern, for a model without attention, and for an array of another length than there
 *   are layers.
 *
 * @example
 * const model = await tf.loadLayersModel(kerasIOHandler('model/model.json'));
 * replaceAttention(model, slidingWindow({left: 128, right: 128})).replaced.length; // 12
 */
export function replaceAttention(model: Layer, pattern: Pattern | string | readonly PatternArgument[]): AttentionReport {
  checkModel(model);
  const all = [...new Set(layersOf(model))];
  const stacks = all.filter(isModel).flatMap(dotStacksOf);
  const ours = all.flatMap((layer): (PatternedLayer | DotStack)[] => [
    ...(isPatterned(layer) ? [layer] : []),
    ...(stacks.filter((stack) => 'node' in stack && stack.node.outboundLayer === layer) as DotStack[]),
  ]);
  const nameOf = (each: PatternedLayer | DotStack): string => ('node' in each ? each.node.outboundLayer.name : each.name);
  const others = stacks.flatMap((stack) => ('node' in stack ? [] : [leave(stack.softmax, stack.reason)]));
  const left = [...all.filter(isStranger).map((layer) => leave(layer, NO_PATTERN)), ...others];
  if (!Array.isArray(pattern)) checkPattern('replaceAttention pattern', pattern);
  if (ours.length === 0 && left.length === 0) {
    const expected = 'attention: MultiHeadAttention, GroupedQueryAttention, or two dot layers around a softmax';
    const cure = 'Build it with the attention layers of this package, or load it with kerasIOHandler(url).';
    refuse('replaceAttention model', `${model.name}, a model without attention`, expected, cure);
  }
  const patterns = Array.isArray(pattern) ? (pattern as unknown[]) : ours.map(() => pattern);
  if (patterns.length !== ours.length) {
    const expected = `${ours.length}, one for each attention layer of ${model.name}: ${ours.map(nameOf).join(', ') || 'none'}`;
    refuse('replaceAttention pattern', `${patterns.length} patterns`, expected, 'Pass a single pattern to give it to all of them.');
  }
  const sizesOf = (each: PatternedLayer | DotStack): Heads | undefined => ('node' in each ? undefined : each.sizes);
  const to = patterns.map((each, i) => checkPattern('replaceAttention pattern', each, sizesOf(ours[i]!)));
  const replaced = ours.map((each, i) => {
    const pattern = to[i]!;
    if ('node' in each) return {name: replaceStack(each, pattern).name, from: full(), to: pattern};
    const from = each.pattern;
    each.pattern = pattern;
    return {name: each.name, from, to: pattern};
  });
  return reportOf({replaced, left});
}

function reportOf(parts: AttentionReport): AttentionReport {
  const report = {...parts};
  // Not enumerable: a report is data, and compares and prints as such.
  Object.defineProperty(report, 'toString', {value: () => textOf(report)});
  return report;
}

function textOf({replaced, left}: AttentionReport): string {
  const found = replaced.length + left.length;
  return [
    `${replaced.length} of ${found} attention ${found === 1 ? 'layer' : 'layers'} replaced`,
    ...replaced.map(({name, from, to}) => `  replaced '${name}': ${String(to)}, was ${String(from)}`),
    ...left.map(({name, className, reason}) => `  left '${name}', ${className}: ${reason}`),
  ].join('\n');
}

function checkModel(model: unknown): void {
  const given = (model ?? {}) as {readonly getClassName?: unknown; readonly executeAsync?: unknown; readonly then?: unknown};
  if (typeof given.getClassName === 'function' && !(model instanceof Pattern)) return;
  const cure =
    typeof given.executeAsync === 'function'
      ? 'Attention of a graph model is replaced while it loads: loadGraphModel(url, {pattern}).'
      : typeof given.then === 'function'
        ? 'Await it first: const model = await tf.loadLayersModel(url).'
        : 'Call replaceAttention(model, pattern).';
  const found = typeof given.executeAsync === 'function' ? 'a graph model' : sayArgument(model);
  refuse('replaceAttention model', found, 'a layers model, or a layer', cure);
}

function* layersOf(layer: Layer): Generator<Layer> {
  yield layer;
  const holder = layer as Layer & {readonly layers?: readonly Layer[]; readonly layer?: Layer};
  for (const inner of holder.layers ?? [holder.layer ?? []].flat()) yield* layersOf(inner);
}

const isModel = (layer: Layer): layer is LayersModel => 'nodesByDepth' in layer;

/** Keras's `Attention` and `AdditiveAttention` keep their scores in other shapes; layers of users compute what they like. */
const isStranger = (layer: Layer): boolean => !isPatterned(layer) && /attention/i.test(layer.getClassName());

const NO_PATTERN = 'not a MultiHeadAttention or GroupedQueryAttention of this package, which alone have a pattern';

const leave = (layer: Layer, reason: string): AttentionReport['left'][number] => ({
  name: layer.name,
  className: layer.getClassName(),
  reason,
});
