/** The trained model, live: sparse against dense. `?quick` writes a few bytes after a short text and measures two lengths. */
import {loadByteModel, type Mode} from '../language_model/index.js';
import {bytes, duration, rate, whole} from '../shell/format.js';
import {findMachine} from '../shell/machine.js';
import {at, copyOnClick, isQuick, make, messageOf, ready, report, runsAtOnce, showError, startPage} from '../shell/page.js';
import {ProgressBar, type Progress} from '../shell/progress.js';
import {generate, measureLength, type Models, type State} from './generate.js';
import {showLengths} from './lengths.js';
import {choicesOf, readable, SAMPLES, tail} from './samples.js';
import {lengthsMarkdown, MODES, type LengthRow} from './table.js';

const textField = at<HTMLTextAreaElement>('text');
const contextField = at<HTMLSelectElement>('context');
const countField = at<HTMLSelectElement>('count');
const sweepButton = at<HTMLButtonElement>('sweep');
/** Bytes of the text that are shown before what is written. */
const SHOWN = 240;

startPage();
const machine = await findMachine();
const choices = choicesOf(machine.slow, isQuick);
const bar = new ProgressBar();
let models: Promise<Models> | null = null;
let rows: LengthRow[] = [];
let seed = 1;
fillControls();
await choose(0);
ready();
if (runsAtOnce) await check();

function fillControls(): void {
  const {contexts, context, counts, count} = choices;
  contextField.replaceChildren(...contexts.map((length) => new Option(`the first ${whole(length)} bytes`, String(length))));
  contextField.value = String(context);
  countField.replaceChildren(...counts.map((length) => new Option(`${whole(length)} bytes each`, String(length))));
  countField.value = String(count);
  at('samples').replaceChildren(
    ...SAMPLES.map(({name}, index) => {
      const button = make('button', {type: 'button'}, name);
      button.addEventListener('click', () => void choose(index));
      return button;
    }),
  );
  textField.addEventListener('input', () => {
    press(-1);
    describeText();
  });
  contextField.addEventListener('change', describeText);
  at('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    // It shows its errors itself.
    void work(complete);
  });
  sweepButton.addEventListener('click', () => void work(sweep));
  copyOnClick(at('copy-markdown'), () => lengthsMarkdown(rows, settingOf()));
  copyOnClick(at('copy-json'), () => JSON.stringify({setting: settingOf(), rows}, null, 2));
  for (const mode of MODES) showState(mode, null, new Uint8Array(0));
}

async function choose(index: number): Promise<void> {
  const error = at('error');
  const {file, text} = SAMPLES[index]!;
  error.hidden = true;
  try {
    textField.value = text ?? (await (await fetch(file!)).text());
  } catch (thrown) {
    return showError(error, thrown);
  }
  press(index);
  describeText();
}

function press(chosen: number): void {
  [...at('samples').children].forEach((button, index) => button.setAttribute('aria-pressed', String(index === chosen)));
}

/** What the models read. */
function prompt(): Uint8Array {
  return encode().subarray(0, Number(contextField.value));
}

function encode(): Uint8Array {
  return new TextEncoder().encode(textField.value);
}

function describeText(): void {
  const all = encode().length;
  const read = prompt().length;
  at('text-note').textContent =
    all === 0
      ? 'The models need at least one byte.'
      : `${whole(all)} bytes; the models read ${read === all ? 'all of it' : `the first ${whole(read)}`}.`;
}

/** What makes the numbers worth keeping. */
function settingOf(): string {
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, ${machine.name} (${machine.backend}); tfjs-splat demo model; ${navigator.userAgent}`;
}

/** Runs one of the two tasks; the other one waits for it. */
async function work(task: (loaded: Models, progress: Progress) => Promise<void>): Promise<void> {
  const error = at('error');
  error.hidden = true;
  sweepButton.disabled = true;
  try {
    await bar.work(async (progress) => {
      await progress.step(0, 'fetching the models');
      await task(await loadModels(), progress);
    });
  } catch (thrown) {
    showError(error, thrown);
    report({ok: false, summary: messageOf(thrown)});
  } finally {
    sweepButton.disabled = false;
  }
}

/** Both models, once. */
function loadModels(): Promise<Models> {
  models ??= fetchModels().catch((error) => {
    models = null;
    throw new Error(`The trained models did not load: ${messageOf(error)}`, {cause: error});
  });
  return models;
}

async function fetchModels(): Promise<Models> {
  const shares: Record<Mode, number> = {sparse: 0, dense: 0};
  const load = (mode: Mode, variant: string): ReturnType<typeof loadByteModel> =>
    loadByteModel(`weights/${variant}/model.json`, (share) => {
      shares[mode] = share;
      at('step').textContent = `fetching the models, ${Math.round(50 * (shares.sparse + shares.dense))} %`;
    });
  const [sparse, dense] = await Promise.all([load('sparse', 'sparse'), load('dense', 'causal')]);
  const quality = [sparse, dense].map(({training}) => training.bitsPerByte.toFixed(2));
  at('training').textContent =
    `Both were trained for ${whole(sparse.training.steps)} steps on contexts of ${whole(sparse.training.context)} bytes of source and documentation. ` +
    `On text they never saw the sparse one needs ${quality[0]} bits for a byte, the dense one ${quality[1]}.`;
  return {sparse, dense};
}

async function complete(loaded: Models, progress: Progress): Promise<void> {
  const read = prompt();
  if (read.length === 0) throw new Error('The text is empty: the models need at least one byte to go on with.');
  for (const mode of MODES) showState(mode, null, read);
  const request = {
    models: loaded,
    prompt: read,
    count: Number(countField.value),
    temperature: Number(at<HTMLSelectElement>('temperature').value),
    seed: seed++,
  };
  await generate(request, progress, (mode, state) => showState(mode, state, read));
}

function showState(mode: Mode, state: State | null, read: Uint8Array): void {
  const pane = at(`${mode}-text`);
  const before = make('span', {class: 'prompt'}, read.length === 0 ? 'Nothing written yet.' : readable(tail(read, SHOWN)));
  pane.replaceChildren(before, readable(state?.written ?? new Uint8Array(0)));
  pane.scrollTop = pane.scrollHeight;
  const facts: readonly (readonly [string, string])[] = [
    ['First byte after', state === null ? '–' : duration(state.firstMs)],
    ['Then', state?.byteMs == null ? '–' : `${rate(1000 / state.byteMs, 'bytes')}, ${duration(state.byteMs)} each`],
    ['Keys and values', state === null ? '–' : bytes(state.cacheBytes)],
  ];
  at(`${mode}-facts`).replaceChildren(...facts.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
}

async function sweep(loaded: Models, progress: Progress): Promise<void> {
  const all = encode();
  const contexts = choices.sweep.filter((length) => length <= all.length);
  if (contexts.length < 2)
    throw new Error(`The text has ${whole(all.length)} bytes; to compare lengths it takes ${whole(choices.sweep[1]!)} at least.`);
  rows = [];
  // The first of them twice: what it compiles is not to count.
  for (const [index, context] of [contexts[0]!, ...contexts].entries()) {
    const part: Progress = {
      step: (fraction, doing) => progress.step((index + fraction) / (contexts.length + 1), `${whole(context)} bytes, ${doing}`),
    };
    const request = {models: loaded, prompt: all.subarray(0, context), count: choices.sweepCount, temperature: 0, seed: 1};
    const found = await measureLength(request, part);
    if (index === 0) continue;
    rows = [...rows, ...found];
    showLengths(
      rows,
      `The median of ${choices.sweepCount} bytes after each context${machine.backend === 'webgpu' ? ', sparse ones by captured steps' : ''}. ` +
        'Both models have 8 layers of 6 heads of 32 features.',
    );
  }
}

async function check(): Promise<void> {
  await work(complete);
  if (!at('error').hidden) return;
  await work(sweep);
  if (!at('error').hidden) return;
  const written = MODES.every((mode) => at(`${mode}-facts`).textContent!.includes('bytes/s'));
  const [sparse, dense] = MODES.map((mode) => rows.findLast((row) => row.mode === mode));
  report({
    ok: written && rows.length === 2 * choices.sweep.length,
    summary: `after ${sparse?.context} bytes a byte takes ${duration(sparse?.byteMs ?? NaN)} sparse, ${duration(dense?.byteMs ?? NaN)} dense`,
  });
}
