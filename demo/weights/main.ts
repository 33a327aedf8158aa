/** Attention weights of the trained model, as pictures. `?quick` reads a few bytes. */
import {loadByteModel, weightsOf, type ByteModel, type LayerWeights} from '../language_model/index.js';
import {percent, significant, whole} from '../shell/format.js';
import {findMachine} from '../shell/machine.js';
import {at, isQuick, make, messageOf, ready, report, runsAtOnce, showError, startPage} from '../shell/page.js';
import {paint} from '../shell/paint.js';
import {ProgressBar} from '../shell/progress.js';
import {colourOf, onThemeChange} from '../shell/theme.js';
import {looksOf, nameOf, pictureOf, spreadOf, type Look} from './row.js';

const SAMPLE = `/** The sum of two numbers. */
export function add(first: number, second: number): number {
  return first + second;
}

/** The product of two numbers. */
export function multiply(first: number, second: number): number {
  return first * second;
}
`;
/** Bytes in the table of the largest. */
const TOP = 6;

const textField = at<HTMLTextAreaElement>('text');
const layerField = at<HTMLSelectElement>('layer');
const headField = at<HTMLSelectElement>('head');
const queryField = at<HTMLInputElement>('query');

startPage();
const machine = await findMachine();
/** What is read of a text: each layer has a picture of its square. */
const most = isQuick ? 40 : machine.slow ? 192 : 512;
const bar = new ProgressBar();
let model: Promise<ByteModel> | null = null;
let shown: {readonly bytes: Uint8Array; readonly layers: readonly LayerWeights[]} | null = null;

textField.value = SAMPLE;
describeText();
listen();
ready();
if (runsAtOnce) await check();

function listen(): void {
  textField.addEventListener('input', describeText);
  at('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    // It shows its errors itself.
    void read();
  });
  layerField.addEventListener('change', draw);
  headField.addEventListener('change', draw);
  queryField.addEventListener('input', drawRow);
  at('picture').addEventListener('pointerdown', ({clientY}) => {
    const box = at('picture').getBoundingClientRect();
    choose(Math.floor(((clientY - box.top) / box.height) * (shown?.bytes.length ?? 0)));
  });
  at('reading').addEventListener('click', ({target}) => {
    const index = target instanceof HTMLElement ? target.dataset['index'] : undefined;
    if (index !== undefined) choose(Number(index));
  });
  onThemeChange(draw);
}

function given(): Uint8Array {
  return new TextEncoder().encode(textField.value).subarray(0, most);
}

function describeText(): void {
  const all = new TextEncoder().encode(textField.value).length;
  at('text-note').textContent =
    all === 0
      ? 'The model needs at least one byte.'
      : `${whole(all)} bytes; the model reads ${all <= most ? 'all of it' : `the first ${whole(most)}`}.`;
}

async function read(): Promise<void> {
  const error = at('error');
  error.hidden = true;
  try {
    await bar.work(async (progress) => {
      const bytes = given();
      if (bytes.length === 0) throw new Error('The text is empty: the model needs at least one byte to look at.');
      await progress.step(0, 'fetching the model');
      const loaded = await load();
      await progress.step(0.5, `reading ${whole(bytes.length)} bytes`);
      const layers = await weightsOf(loaded, bytes);
      show(loaded, bytes, layers);
    });
  } catch (thrown) {
    showError(error, thrown);
    report({ok: false, summary: messageOf(thrown)});
  }
}

function load(): Promise<ByteModel> {
  model ??= loadByteModel('../model/weights/sparse/model.json').catch((error) => {
    model = null;
    throw new Error(`The trained model did not load: ${messageOf(error)}`, {cause: error});
  });
  return model;
}

function show({config}: ByteModel, bytes: Uint8Array, layers: readonly LayerWeights[]): void {
  const isFirst = shown === null;
  shown = {bytes, layers};
  if (isFirst) {
    layerField.replaceChildren(...layers.map((_, layer) => new Option(String(layer + 1), String(layer))));
    headField.replaceChildren(...Array.from({length: config.heads}, (_, head) => new Option(String(head + 1), String(head))));
  }
  queryField.max = String(bytes.length - 1);
  queryField.value = String(bytes.length - 1);
  at('reading').replaceChildren(
    ...[...bytes].map((byte, index) =>
      make('span', {'data-index': String(index)}, byte === 10 ? '↵\n' : byte === 32 ? ' ' : nameOf(byte)),
    ),
  );
  at('empty').hidden = true;
  at('looks').hidden = false;
  draw();
}

function choose(query: number): void {
  if (shown === null) return;
  queryField.value = String(Math.max(0, Math.min(shown.bytes.length - 1, query)));
  drawRow();
}

function chosen(): {layer: LayerWeights; head: number; query: number} {
  return {
    layer: shown!.layers[Number(layerField.value)]!,
    head: Number(headField.value),
    query: Number(queryField.value),
  };
}

function draw(): void {
  if (shown === null) return;
  const {layer, head} = chosen();
  const {length} = shown.bytes;
  const cells = pictureOf(layer, head, length);
  const colour = colourOf('--accent');
  paint(at<HTMLCanvasElement>('picture'), length, (cell) => [colour, cells[cell]!]);
  const spreads = Array.from({length}, (_, query) => spreadOf(looksOf(layer, head, query)));
  const mean = spreads.reduce((sum, spread) => sum + spread, 0) / length;
  at('picture-note').textContent =
    `The pattern of this layer, ${layer.pattern}, has ${whole(layer.nnz)} of ${whole(length ** 2)} pairs, ` +
    `${percent(layer.nnz / length ** 2)}. On average a byte spreads its attention over ${significant(mean)}.`;
  at('picture').setAttribute('aria-label', `Weights of layer ${layerField.value}, head ${head}. ${at('picture-note').textContent}`);
  drawRow();
}

function drawRow(): void {
  if (shown === null) return;
  const {layer, head, query} = chosen();
  const {bytes} = shown;
  const looks = looksOf(layer, head, query);
  const strongest = Math.max(...looks.map(({weight}) => weight));
  at('query-value').textContent = `${whole(query)}, ${nameOf(bytes[query]!)}`;
  document.querySelector<HTMLElement>('.row-mark')!.style.top = `${(100 * (query + 0.5)) / bytes.length}%`;
  const spans = [...at('reading').children] as HTMLElement[];
  for (const [index, span] of spans.entries()) {
    span.style.background = '';
    span.classList.toggle('looking', index === query);
  }
  for (const {key, weight} of looks)
    spans[key]!.style.background =
      `color-mix(in srgb, var(--accent) ${(70 * Math.sqrt(weight / strongest)).toFixed(0)}%, transparent)`;
  at('row-note').textContent =
    `It may look at ${whole(looks.length)} ${looks.length === 1 ? 'byte' : 'bytes'} and spreads its attention over ${significant(spreadOf(looks))}.`;
  const top = [...looks].sort((a, b) => b.weight - a.weight).slice(0, TOP);
  at('top').replaceChildren(...top.map((look) => rowOf(look, query, bytes)));
}

function rowOf({key, weight}: Look, query: number, bytes: Uint8Array): HTMLElement {
  const number = (text: string): HTMLElement => make('td', {class: 'number'}, text);
  return make(
    'tr',
    {},
    make('td', {class: 'mono'}, nameOf(bytes[key]!)),
    number(whole(key)),
    number(whole(query - key)),
    number(percent(weight)),
  );
}

async function check(): Promise<void> {
  await read();
  if (!at('error').hidden || shown === null) return;
  const {layers, bytes} = shown;
  const sums = layers.flatMap((layer) =>
    Array.from({length: bytes.length}, (_, query) => looksOf(layer, 0, query).reduce((sum, {weight}) => sum + weight, 0)),
  );
  const worst = Math.max(...sums.map((sum) => Math.abs(sum - 1)));
  layerField.value = '1';
  layerField.dispatchEvent(new Event('change'));
  choose(0);
  const isFirst = at('top').children.length === 1;
  choose(bytes.length - 1);
  report({
    ok: worst < 1e-4 && isFirst,
    summary: `${layers.length} layers read ${whole(bytes.length)} bytes; weights of a byte sum to 1 within ${significant(worst)}`,
  });
}
