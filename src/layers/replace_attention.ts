import type {layers} from '@tensorflow/tfjs-layers';
import type {Pattern} from '../pattern/index.js';
import {refuse} from '../support/index.js';
import {checkPattern} from './arguments.js';
import {AttentionLayer} from './attention_layer.js';

type Layer = layers.Layer;

/** What `replaceAttention` did, layer by layer, in the order of the model. */
export interface AttentionReport {
  readonly replaced: readonly {readonly name: string; readonly from: Pattern; readonly to: Pattern}[];
  /** Layers of other classes whose name speaks of attention. */
  readonly left: readonly {readonly name: string; readonly className: string; readonly reason: string}[];
}

/**
 * Gives the attention layers of a model another pattern: every `MultiHeadAttention` and `GroupedQueryAttention`, also in models inside
 * the model and in wrappers.
 *
 * It changes the model itself and makes no other one, because nothing but the pattern changes: weights, optimizer and compiled state stay
 * as they are, and `report.replaced[i].from` is what to set to go back. Nothing is changed when an argument is refused. Saving
 * the model saves the patterns.
 *
 * @param pattern One for all layers, or an array with one for each in the order of `model.layers`; a pattern or its text.
 * @throws SplatError for what is no pattern, and for an array of another length than there are layers.
 *
 * @example
 * const model = await tf.loadLayersModel(kerasIOHandler('model/model.json'));
 * replaceAttention(model, slidingWindow({left: 128, right: 128})).replaced.length; // 12
 */
export function replaceAttention(model: Layer, pattern: Pattern | string | readonly (Pattern | string)[]): AttentionReport {
  const all = [...new Set(layersOf(model))];
  const ours = all.filter((layer) => layer instanceof AttentionLayer);
  const patterns = Array.isArray(pattern) ? (pattern as unknown[]) : ours.map(() => pattern);
  if (patterns.length !== ours.length) {
    const expected = `${ours.length}, one for each attention layer of ${model.name}: ${ours.map(({name}) => name).join(', ') || 'none'}`;
    refuse('replaceAttention pattern', `${patterns.length} patterns`, expected, 'Pass a single pattern to give it to all of them.');
  }
  const to = patterns.map((each) => checkPattern('replaceAttention pattern', each));
  const replaced = ours.map((layer, i) => ({name: layer.name, from: layer.pattern, to: to[i]!}));
  ours.forEach((layer, i) => (layer.pattern = to[i]!));
  return {replaced, left: all.filter(isStranger).map(leave)};
}

function* layersOf(layer: Layer): Generator<Layer> {
  yield layer;
  const holder = layer as Layer & {readonly layers?: readonly Layer[]; readonly layer?: Layer};
  for (const inner of holder.layers ?? [holder.layer ?? []].flat()) yield* layersOf(inner);
}

/** Keras's `Attention` and `AdditiveAttention` keep their scores in other shapes; layers of users compute what they like. */
const isStranger = (layer: Layer): boolean => !(layer instanceof AttentionLayer) && /attention/i.test(layer.getClassName());

const leave = (layer: Layer): AttentionReport['left'][number] => ({
  name: layer.name,
  className: layer.getClassName(),
  reason: 'not a MultiHeadAttention or GroupedQueryAttention of this package, which alone have a pattern',
});
