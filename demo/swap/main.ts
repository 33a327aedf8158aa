/** What a swap would do to a model of yours. `?quick` loads the example, tries bad files, and runs it at a tiny length. */
import {blockLocal, causal, full, globalTokens, parsePattern, slidingWindow, type Pattern} from '../../src/index.js';
import {drawBars} from '../shell/charts.js';
import {bytes, duration, whole} from '../shell/format.js';
import {findMachine} from '../shell/machine.js';
import {
  at,
  breakable,
  copyOnClick,
  isQuick,
  make,
  messageOf,
  ready,
  report,
  runsAtOnce,
  showError,
  startPage,
} from '../shell/page.js';
import {ProgressBar} from '../shell/progress.js';
import {fillVerdicts} from '../shell/verdicts.js';
import {runVerdicts, type Outcome} from './outcomes.js';
import {analyse, attentionLines, foldLines, reportVerdicts, stagesOf, type Analysis} from './report.js';
import {runAll} from './runs.js';
import {describeSource, fromFiles, fromUrl, type Source} from './source.js';

const patternField = at<HTMLInputElement>('pattern');
const lengthField = at<HTMLSelectElement>('length');
const EXAMPLE = 'example/model.json';

startPage();
const machine = await findMachine();
const bar = new ProgressBar();
let source: Source | null = null;
let analysis: Analysis | null = null;
fillControls();
copyOnClick(at('copy-report'), () => JSON.stringify(analysis?.report ?? {}, null, 2));
await load(() => fromUrl(EXAMPLE, showFetched), 'the built-in example, a transformer of 4 layers');
ready();
if (runsAtOnce) await check();

function fillControls(): void {
  const reach = machine.slow ? 32 : 128;
  const presets: readonly (readonly [string, Pattern])[] = [
    ['window', slidingWindow({left: reach, right: reach})],
    ['Longformer', slidingWindow({left: reach, right: reach}).or(globalTokens(reach / 8))],
    ['causal', causal()],
    ['blocks', blockLocal({size: 2 * reach})],
    ['full', full()],
  ];
  patternField.value = String(presets[0]![1]);
  at('presets').replaceChildren(
    ...presets.map(([name, pattern]) => {
      const button = make('button', {type: 'button', 'data-pattern': String(pattern)}, name);
      button.addEventListener('click', () => {
        patternField.value = String(pattern);
        showReport();
      });
      return button;
    }),
  );
  const lengths = isQuick ? [32] : machine.slow ? [64, 128, 256, 512] : [256, 512, 1024, 2048, 4096];
  lengthField.replaceChildren(...lengths.map((length) => new Option(`${whole(length)} tokens`, String(length))));
  lengthField.value = String(lengths[machine.slow ? Math.min(1, lengths.length - 1) : 3]);
  lengthField.addEventListener('change', showReport);
  let pending = 0;
  patternField.addEventListener('input', () => {
    clearTimeout(pending);
    pending = window.setTimeout(showReport, 200);
  });
  at('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    // It shows its errors itself.
    void run();
  });
  acceptFiles();
}

function acceptFiles(): void {
  const take = (files: FileList | null | undefined): void => {
    // It shows its errors itself.
    if (files && files.length > 0) void load(() => fromFiles([...files]));
  };
  at<HTMLInputElement>('files').addEventListener('change', ({target}) => take((target as HTMLInputElement).files));
  const drop = at('drop');
  drop.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    take(event.dataTransfer?.files);
  });
  at('example').addEventListener('click', () => void load(() => fromUrl(EXAMPLE, showFetched), 'the built-in example'));
  at('url-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const url = at<HTMLInputElement>('url').value.trim();
    // It shows its errors itself.
    if (url !== '') void load(() => fromUrl(url, showFetched));
  });
}

function showFetched(fraction: number): void {
  at('loaded').textContent = `Fetching the model, ${Math.round(100 * fraction)} %`;
}

/** Shows a model, or what is wrong with it; then the one before stays. */
async function load(get: () => Promise<Source>, name?: string): Promise<void> {
  const error = at('load-error');
  error.hidden = true;
  try {
    const found = await get();
    const {report, nodes} = analyse(found.artifacts, full());
    if (nodes === 0) throw new Error(report.problems.join(' '));
    source = found;
  } catch (thrown) {
    showError(error, thrown);
  }
  if (source === null) {
    at('loaded').textContent = '';
    return;
  }
  if (error.hidden) {
    at('loaded').textContent = `Loaded: ${name ?? source.name}; ${describeSource(source)}.`;
    at('results').hidden = true;
  }
  at('report').hidden = false;
  at('runs').hidden = source.missing.length > 0;
  showReport();
}

function showReport(): void {
  if (source === null) return;
  for (const button of at('presets').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset['pattern'] === patternField.value));
  }
  const error = at('pattern-error');
  try {
    analysis = analyse(source.artifacts, parsePattern(patternField.value));
    error.hidden = true;
    patternField.removeAttribute('aria-invalid');
  } catch (thrown) {
    analysis = null;
    showError(error, thrown);
    patternField.setAttribute('aria-invalid', 'true');
  }
  at('findings').hidden = analysis === null;
  at<HTMLButtonElement>('run').disabled = analysis === null;
  if (analysis === null) return;
  fillVerdicts(at('verdicts'), reportVerdicts(analysis, source.missing.length === 0, Number(lengthField.value)));
  at('attentions').replaceChildren(
    ...attentionLines(analysis.report).map(({name, happens, scale, masks}) =>
      make(
        'tr',
        {},
        make('th', {scope: 'row', class: 'name mono'}, breakable(name)),
        make('td', {class: 'name'}, happens),
        make('td', {class: 'number'}, scale),
        make(
          'td',
          {class: 'name mono'},
          ...(masks.length === 0 ? ['none'] : masks.map((mask) => make('div', {}, breakable(mask)))),
        ),
      ),
    ),
  );
  showFolds(analysis);
}

function showFolds(found: Analysis): void {
  const stages = stagesOf(found);
  const colours = ['var(--neutral)', 'var(--series-3)', 'var(--accent)'];
  at('folding').hidden = stages.length === 1;
  if (stages.length === 1) return;
  drawBars(
    at('node-chart'),
    stages.map(({name, nodes}, i) => ({name, value: nodes, label: whole(nodes), colour: colours[i]!})),
  );
  at('folds').replaceChildren(
    ...foldLines(found.report).map(({kind, what, happens}) =>
      make('tr', {}, make('th', {scope: 'row'}, kind), make('td', {}, what), make('td', {class: 'number'}, happens)),
    ),
  );
  const left = found.report.folded?.left ?? [];
  at('not-folded').replaceChildren(
    ...left.map(({name, reason}) => make('li', {}, make('span', {class: 'mono'}, breakable(name)), `: ${reason}`)),
  );
  at('not-folded-part').hidden = left.length === 0;
}

async function run(): Promise<void> {
  if (source === null || analysis === null) return;
  const error = at('run-error');
  error.hidden = true;
  try {
    const {artifacts} = source;
    const pattern = parsePattern(patternField.value);
    const length = Number(lengthField.value);
    const repetitions = isQuick ? 1 : machine.slow ? 3 : 7;
    await bar.work(async (progress) => {
      const outcomes = await runAll({artifacts, pattern, length, machine, repetitions, progress});
      showOutcomes(
        outcomes,
        `${whole(length)} tokens, ${pattern}. A run goes from the call until all outputs are on the processor.`,
      );
    });
  } catch (thrown) {
    error.textContent = `The runs broke off: ${messageOf(thrown)}`;
    error.hidden = false;
    report({ok: false, summary: error.textContent});
  }
}

function showOutcomes(outcomes: readonly Outcome[], note: string): void {
  const found = runVerdicts(outcomes);
  at('results').hidden = false;
  fillVerdicts(at('run-verdicts'), found);
  const colours = ['var(--neutral)', 'var(--series-3)', 'var(--series-2)', 'var(--accent)', 'var(--series-4)'];
  const bars = (value: (outcome: Outcome) => number | null, print: (value: number) => string): Parameters<typeof drawBars>[1] =>
    outcomes.map((outcome, index) => {
      const found = value(outcome);
      return {name: outcome.name, value: found, label: found === null ? 'did not run' : print(found), colour: colours[index]!};
    });
  drawBars(
    at('time-chart'),
    bars(({ms}) => ms, duration),
  );
  at('memory-figure').hidden = outcomes.every(({peak}) => peak === null);
  if (!at('memory-figure').hidden)
    drawBars(
      at('memory-chart'),
      bars(({peak}) => peak, bytes),
    );
  // On the page's top as well; who looks at times has scrolled past it.
  const slow = machine.slow ? ' No GPU took part: these times say which way is shorter here, not what a GPU would take.' : '';
  at('measured').textContent = `${note} Inputs are random, made from the signature of the model.${slow}`;
  report({
    ok: found.every(({state}) => state !== 'bad') && outcomes.every(({ms}) => ms !== null),
    summary: `${analysis?.report.replaced.length} attentions swapped; ${found.find(({state}) => state === 'good')?.text ?? found[0]?.text}`,
  });
}

/** What a reader may do wrong, then a run. */
async function check(): Promise<void> {
  const refused: string[] = [];
  for (const [name, text] of [
    ['model.json', '{"format": "graph-model"}'],
    ['model.json', 'not json'],
    ['model.json', '{"modelTopology": {"class_name": "Sequential"}, "format": "layers-model", "weightsManifest": []}'],
    ['weights.bin', ''],
  ] as const) {
    await load(() => fromFiles([new File([text], name)]));
    if (!at('load-error').hidden) refused.push(at('load-error').textContent ?? '');
  }
  await load(() => fromUrl(EXAMPLE, showFetched), 'the built-in example');
  if (refused.length !== 4 || analysis?.report.replaced.length !== 4) {
    report({
      ok: false,
      summary: `${refused.length} of 4 bad files refused, ${analysis?.report.replaced.length} attentions swapped`,
    });
    return;
  }
  await run();
}
