/** The benchmark in the visitor's browser. `?quick` runs it at once at tiny sizes. */
import * as tf from '@tensorflow/tfjs-core';
import {PATTERNS} from '../../bench/patterns.js';
import {drawLines} from '../shell/charts.js';
import {duration, whole} from '../shell/format.js';
import {findMachine} from '../shell/machine.js';
import {at, copyOnClick, isQuick, make, messageOf, ready, report, runsAtOnce, startPage} from '../shell/page.js';
import {ProgressBar} from '../shell/progress.js';
import {fillVerdicts} from '../shell/verdicts.js';
import {LARGEST_ERROR, measure, type Row} from './measure.js';
import {json, linesOf, markdown, systemsOf, verdicts, type Setting} from './results.js';
import {lengthsUpTo, paceOf} from './sizes.js';

startPage();
const machine = await findMachine();
const pace = paceOf(machine.slow, isQuick);
const bar = new ProgressBar();
let rows: readonly Row[] = [];
let setting: Setting;
fillControls();
copyOnClick(at('copy-markdown'), () => markdown(setting, rows));
copyOnClick(at('copy-json'), () => json(setting, rows));
ready();
if (runsAtOnce) await run();

function fillControls(): void {
  // At a processor's lengths a window of 513 keys would be everything.
  const chosen = machine.slow ? ['window64', 'causal'] : ['window', 'strided', 'longformer', 'causal'];
  at('patterns').replaceChildren(
    ...PATTERNS.filter(({name}) => name !== 'full').map(({name, says}) => {
      const box = make('input', {type: 'checkbox', name: 'pattern', value: name});
      box.checked = chosen.includes(name);
      return make('label', {title: says}, box, name);
    }),
  );
  const longest = at<HTMLSelectElement>('longest');
  const lengths = lengthsUpTo(pace.shortest, 4 * pace.longest).slice(1);
  longest.replaceChildren(...lengths.map((n) => new Option(`${whole(n)} tokens`, String(n))));
  longest.value = String(pace.longest);
  if (machine.slow) at<HTMLSelectElement>('heads').value = '2x16';
  at('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    // It shows its errors itself.
    void run();
  });
}

async function run(): Promise<void> {
  const names = new Set(new FormData(at<HTMLFormElement>('controls')).getAll('pattern'));
  const patterns = PATTERNS.filter(({name}) => names.has(name));
  const error = at('error');
  error.hidden = patterns.length > 0;
  error.textContent = 'Choose at least one pattern.';
  if (patterns.length === 0) return;
  const [heads, headDim] = at<HTMLSelectElement>('heads').value.split('x').map(Number) as [number, number];
  setting = {
    date: new Date().toISOString().slice(0, 10),
    gpu: machine.name,
    backend: machine.backend,
    browser: navigator.userAgent,
    heads,
    headDim,
    tfjs: tf.version_core,
  };
  const longest = Number(at<HTMLSelectElement>('longest').value);
  try {
    await bar.work((progress) => measure({machine, patterns, heads, headDim, longest, pace, progress}, show));
    const wrong = rows.filter(({maxError}) => maxError !== null && maxError > LARGEST_ERROR);
    const measured = rows.filter(({ms}) => ms !== null);
    report({
      ok: wrong.length === 0 && measured.length >= patterns.length + 1,
      summary: `${measured.length} measurements on ${machine.name}, worst error ${Math.max(...measured.map((row) => row.maxError ?? 0)).toExponential(1)}`,
    });
  } catch (thrown) {
    error.textContent = `The measurement broke off: ${messageOf(thrown)}`;
    error.hidden = false;
    report({ok: false, summary: error.textContent});
  }
}

function show(found: readonly Row[]): void {
  rows = [...found];
  at('empty').hidden = true;
  at('results').hidden = false;
  at('copies').hidden = false;
  fillVerdicts(at('verdicts'), verdicts(rows, LARGEST_ERROR));
  const systems = systemsOf(rows);
  drawLines(at('chart'), {
    x: 'tokens',
    y: 'time of a call',
    print: duration,
    series: systems.map((system, index) => ({
      name: system === 'dense' ? 'tfjs dense' : system,
      colour: index === 0 ? 'var(--neutral)' : `var(--series-${1 + ((index - 1) % 8)})`,
      points: rows.filter((row) => row.system === system && row.ms !== null).map(({n, ms}) => ({x: n, y: ms!})),
    })),
  });
  at('table-head').replaceChildren(
    make(
      'tr',
      {},
      make('th', {scope: 'col'}, 'n'),
      ...systems.map((system) => make('th', {scope: 'col', class: 'number'}, system === 'dense' ? 'tfjs dense' : system)),
    ),
  );
  at('table').replaceChildren(
    ...linesOf(rows).map(({n, cells}) =>
      make(
        'tr',
        {},
        make('th', {scope: 'row'}, whole(n)),
        ...cells.map(({time, ratio, memory, measured}) => {
          if (!measured) return make('td', {class: 'number missing', title: time}, time.split(':')[0]!);
          const small = [ratio, memory].filter(Boolean).join(', ');
          return make('td', {class: 'number'}, time, ...(small === '' ? [] : [make('small', {}, small)]));
        }),
      ),
    ),
  );
  const {heads, headDim} = setting;
  at('note').textContent =
    `${heads} heads of ${headDim}, float32. Median of ${pace.rounds} rounds taken in turns, by the wall clock; below it how many times faster ` +
    'than dense, and the GPU memory of a call with its output. Dense is softmax(QKᵀ)V without a mask, its cheapest form.';
}
