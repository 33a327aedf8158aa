/** The studio: everything that becomes of a pattern, live. It computes no attention, so it needs neither TensorFlow.js nor a GPU. */
import {compile, parsePattern, problemOf, type Compiled} from '../../src/pure.js';
import {findAdapter} from '../shell/adapter.js';
import {duration, whole} from '../shell/format.js';
import {at, make, ready, report, runsAtOnce, showError, startPage} from '../shell/page.js';
import {onThemeChange} from '../shell/theme.js';
import {deviceOf} from './devices.js';
import {Panels} from './panels.js';
import {PRESETS} from './presets.js';
import {HEAD_DIMS, LONGEST, printState, readState, type DeviceName, type StudioState} from './state.js';

const patternField = at<HTMLInputElement>('pattern');
const lengthField = at<HTMLInputElement>('length');
const headDimField = at<HTMLSelectElement>('head-dim');
const deviceField = at<HTMLSelectElement>('device');
const queryField = at<HTMLInputElement>('query');
const keyField = at<HTMLInputElement>('key');

startPage();
const here = await findAdapter();
if (here === null) deviceField.querySelector<HTMLOptionElement>('[value=here]')!.disabled = true;
headDimField.replaceChildren(...HEAD_DIMS.map((dim) => new Option(String(dim), String(dim))));
const panels = new Panels();
let state = readState(location.hash);
fillPresets();
showState();
update();
listen();
ready();
if (runsAtOnce) report(check());

function showState(): void {
  patternField.value = state.pattern;
  lengthField.value = String(state.length);
  headDimField.value = String(state.headDim);
  deviceField.value = state.device;
}

function fillPresets(): void {
  at('presets').replaceChildren(
    ...PRESETS.map(({name, pattern, length}) => {
      const button = make('button', {type: 'button', 'data-pattern': String(pattern)}, name);
      button.addEventListener('click', () => {
        state = {...state, pattern: String(pattern), length: length ?? state.length};
        showState();
        update();
      });
      return button;
    }),
  );
}

function listen(): void {
  let pending = 0;
  const soon = (): void => {
    clearTimeout(pending);
    pending = window.setTimeout(() => {
      readFields();
      update();
    }, 120);
  };
  for (const field of [patternField, lengthField]) field.addEventListener('input', soon);
  for (const field of [headDimField, deviceField]) field.addEventListener('change', soon);
  at('controls').addEventListener('submit', (event) => event.preventDefault());
  for (const field of [queryField, keyField]) {
    field.addEventListener('input', () => select(Number(queryField.value), Number(keyField.value)));
  }
  panels.onPick(select);
  window.addEventListener('hashchange', () => {
    if (location.hash === printState(state)) return;
    state = readState(location.hash);
    showState();
    update();
  });
  onThemeChange(() => panels.redraw());
}

function readFields(): void {
  state = {
    ...state,
    pattern: patternField.value,
    length: lengthField.valueAsNumber,
    headDim: Number(headDimField.value),
    device: deviceField.value as DeviceName,
  };
}

function select(query: number, key: number): void {
  state = {...state, query, key};
  panels.select(query, key);
  remember();
}

/** A link to what is shown, without a new entry for each letter typed. */
function remember(): void {
  history.replaceState(null, '', printState(state));
}

/** Plans and shows what the fields say, or what is wrong with it. */
function update(): void {
  for (const button of at('presets').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset['pattern'] === state.pattern));
  }
  const error = at('pattern-error');
  try {
    const start = performance.now();
    const compiled = compileState(state);
    panels.show(compiled, `planned and written in ${duration(performance.now() - start)}`);
    const last = state.length - 1;
    for (const field of [queryField, keyField]) field.max = String(last);
    panels.select(Math.min(state.query, last), Math.min(state.key, last));
    error.hidden = true;
    patternField.removeAttribute('aria-invalid');
    at('panels').hidden = false;
    remember();
  } catch (thrown) {
    showError(error, thrown);
    patternField.setAttribute('aria-invalid', 'true');
    at('panels').hidden = true;
  }
}

function compileState({pattern, length, headDim, device: name}: StudioState): Compiled {
  const parsed = parsePattern(pattern);
  if (!Number.isInteger(length) || length < 1 || length > LONGEST) {
    throw new Error(`The length is ${Number.isNaN(length) ? 'empty' : length}; give a whole number from 1 to ${whole(LONGEST)}.`);
  }
  const {device, precision} = deviceOf(name, here);
  return compile(parsed, problemOf({queryLength: length, keyLength: length, headDim, heads: 8}), device, {precision});
}

/** Goes through the presets and a mistake as a reader would, for the headless run. */
function check(): {ok: boolean; summary: string} {
  let slowest = 0;
  for (const button of at('presets').querySelectorAll('button')) {
    const start = performance.now();
    button.click();
    slowest = Math.max(slowest, performance.now() - start);
    if (!at('pattern-error').hidden) return {ok: false, summary: at('pattern-error').textContent ?? ''};
  }
  at('show-heat').click();
  const isHeat = at('kinds-legend').hidden && !at('heat-legend').hidden;
  at('show-kinds').click();
  const shown = state;
  state = {...state, pattern: 'slidingWindow(left 3)'};
  update();
  const caught = !at('pattern-error').hidden && at('panels').hidden && at('pattern-error').textContent!.includes('^');
  state = readState('');
  showState();
  update();
  return {
    ok: caught && isHeat && at('programs').children.length > 0,
    summary: `${PRESETS.length} presets at n = ${whole(shown.length)}, the slowest drawn in ${duration(slowest)}`,
  };
}
