/**
 * The page. It shows one model run four ways on a text of your choice, whether the answers agree, what each costs, and what the planner
 * and the generator made of the pattern. `?run` starts at once, `?tokens=` and `?pattern=` preset the fields (scripts/start.mjs does).
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  blockLocal,
  causal,
  full,
  globalTokens,
  parsePattern,
  planAttention,
  slidingWindow,
  strided,
  type Pattern,
} from '../src/index.js';
import {measured, verdicts} from './agreement.js';
import {bytes, whole} from './format.js';
import {findMachine, type Machine} from './machine.js';
import {DEMO_ENCODER} from './model.js';
import {drawMask, drawPlan} from './pictures.js';
import {drawMemory, drawTimes, fillTable, fillVerdicts, tableCells} from './results.js';
import {findLength, runAll, type Outcome} from './runs.js';

declare global {
  interface Window {
    /** For scripts/start.mjs: set when the runs are over. */
    demoResult?: {ok: boolean; machine: string; tokens: number; pattern: string; table: object[]; verdicts: object[]};
  }
}

/** Ready-made patterns; `reach` is how far a window looks to each side. */
const presets = (reach: number): readonly (readonly [string, Pattern])[] => [
  ['window', slidingWindow({left: reach, right: reach})],
  ['causal window', slidingWindow({left: 2 * reach - 1})],
  ['Longformer', slidingWindow({left: reach, right: reach}).or(globalTokens(reach / 8))],
  ['dilated', slidingWindow({left: reach / 2, right: reach / 2, dilation: 8})],
  ['strided', causal().and(slidingWindow({left: reach - 1}).or(strided({stride: reach})))],
  ['blocks', blockLocal({size: 2 * reach})],
  ['causal', causal()],
  ['full', full()],
];

const at = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const patternField = at<HTMLInputElement>('pattern');
const tokensField = at<HTMLSelectElement>('tokens');
const textField = at<HTMLTextAreaElement>('text');
const runButton = at<HTMLButtonElement>('run');
const query = new URLSearchParams(location.search);

let artifacts: Promise<tf.io.ModelArtifacts> | null = null;
/** What `auto` stands for: a guess until the trial run. */
let found = 1024;

const machine = await findMachine();
at('machine').textContent = machine.description;
at('machine').classList.toggle('lacking', machine.backend !== 'webgpu');
fillControls(machine);
textField.value = await (await fetch('text/tensorflowjs.txt')).text();
describeText();
showPattern();
runButton.disabled = false;
if (query.has('run')) await run();

function fillControls({lengths, defaultLength, lengthNote, slow}: Machine): void {
  // A short text with a wide window would be attended to almost fully.
  const offeredPatterns = presets(slow ? 32 : 128);
  const wanted = Number(query.get('tokens')) || defaultLength;
  const offered = wanted === 'auto' || lengths.includes(wanted) ? lengths : [wanted, ...lengths];
  tokensField.replaceChildren(
    ...(defaultLength === 'auto' ? [new Option('automatic', 'auto')] : []),
    ...offered.map((length) => new Option(`${whole(length)} tokens`, String(length))),
  );
  tokensField.value = String(wanted);
  at('length-note').textContent = lengthNote;
  patternField.value = query.get('pattern') ?? offeredPatterns[0]![1].toString();
  at('presets').replaceChildren(
    ...offeredPatterns.map(([name, pattern]) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = name;
      button.dataset.pattern = pattern.toString();
      button.addEventListener('click', () => {
        patternField.value = pattern.toString();
        showPattern();
      });
      return button;
    }),
  );
  let pending = 0;
  patternField.addEventListener('input', () => {
    clearTimeout(pending);
    pending = window.setTimeout(showPattern, 200);
  });
  tokensField.addEventListener('change', () => {
    describeText();
    showPattern();
  });
  textField.addEventListener('input', describeText);
  acceptFiles();
  at('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    void run();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showPattern);
}

function acceptFiles(): void {
  const dropping = (is: boolean) => textField.classList.toggle('dropping', is);
  textField.addEventListener('dragover', (event) => {
    event.preventDefault();
    dropping(true);
  });
  textField.addEventListener('dragleave', () => dropping(false));
  textField.addEventListener('drop', (event) => {
    dropping(false);
    const file = event.dataTransfer?.files[0];
    if (file === undefined) return;
    event.preventDefault();
    void file.text().then((text) => {
      textField.value = text;
      describeText();
    });
  });
}

/** Tokens the model reads. */
function length(): number {
  return tokensField.value === 'auto' ? found : Math.min(Number(tokensField.value), DEMO_ENCODER.positions);
}

/** The first bytes of the text; a text that is too short is read again from its start until it is long enough. */
function tokens(): Uint8Array {
  const encoded = new TextEncoder().encode(textField.value || ' ');
  return Uint8Array.from({length: length()}, (_, i) => encoded[i % encoded.length]!);
}

function describeText(): void {
  const available = new TextEncoder().encode(textField.value).length;
  const used = length();
  const repeated =
    available < used ? `, read again from the start to make ${whole(used)}` : `; the model reads the first ${whole(used)}`;
  at('text-note').textContent = `${whole(available)} bytes${repeated}.`;
}

/** Reads the pattern, shows its mask and plan, or what is wrong with it. */
function showPattern(): Pattern | null {
  const error = at('pattern-error');
  for (const button of at('presets').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset.pattern === patternField.value));
  }
  try {
    const pattern = parsePattern(patternField.value);
    const side = length();
    const {heads, headDim} = DEMO_ENCODER;
    const plan = planAttention(pattern, {queryLength: side, keyLength: side, heads, headDim, device: machine.device});
    drawMask(at('mask'), pattern, side);
    drawPlan(at('plan'), plan);
    const percent = (share: number) => `${(100 * share).toPrecision(3)}\u00a0%`;
    at('mask-note').textContent = `${whole(plan.nnz)} of ${whole(side * side)} pairs attend, ${percent(plan.density)}.`;
    at('plan-note').textContent =
      `${percent(plan.tileDensity)} of the pairs computed are wanted. Memory beyond the tensors: ${bytes(plan.bytes)}. Chosen: ${plan.implementation}: ${plan.reason}.`;
    at('mask').setAttribute('aria-label', `The mask of ${pattern}: ${at('mask-note').textContent}`);
    at('plan').setAttribute('aria-label', `The tiles of ${pattern}: ${at('plan-note').textContent}`);
    at('plan-text').textContent = plan.toString();
    at('explain').textContent = plan.explain();
    error.hidden = true;
    patternField.removeAttribute('aria-invalid');
    return pattern;
  } catch (thrown) {
    error.textContent = thrown instanceof Error ? thrown.message : String(thrown);
    error.hidden = false;
    patternField.setAttribute('aria-invalid', 'true');
    return null;
  }
}

async function run(): Promise<void> {
  const pattern = showPattern();
  if (pattern === null) {
    patternField.focus();
    giveUp(at('pattern-error').textContent ?? '');
    return;
  }
  runButton.disabled = true;
  try {
    artifacts ??= download();
    const model = await artifacts;
    if (tokensField.value === 'auto') {
      showProgress(0, 'trying how fast this machine is');
      found = await findLength(model, machine);
      tokensField.selectedOptions[0]!.textContent = `automatic: ${whole(found)} tokens`;
      describeText();
      showPattern();
    }
    const read = tokens();
    showOutcomes(pattern, read.length, await runAll({artifacts: model, pattern, tokens: read, machine, onProgress: showProgress}));
  } catch (error) {
    artifacts = null;
    const message = error instanceof Error ? error.message : String(error);
    showProgress(0, `The runs broke off: ${message}`);
    giveUp(message);
  } finally {
    runButton.disabled = false;
  }
}

function giveUp(text: string): void {
  const verdicts = [{state: 'bad', text}];
  window.demoResult = {ok: false, machine: machine.description, tokens: length(), pattern: patternField.value, table: [], verdicts};
}

function download(): Promise<tf.io.ModelArtifacts> {
  const onProgress = (share: number) => showProgress(0, `fetching the model, ${Math.round(100 * share)} %`);
  return tf.io.http('model/model.json', {onProgress}).load!();
}

function showProgress(done: number, doing: string): void {
  at<HTMLProgressElement>('progress').value = done;
  at('step').textContent = doing;
}

function showOutcomes(pattern: Pattern, tokens: number, outcomes: readonly Outcome[]): void {
  const results = verdicts(outcomes);
  const timed = outcomes.some((outcome) => outcome.kind === 'measured' && outcome.gpu !== null);
  at('results').hidden = false;
  fillVerdicts(at('verdicts'), results);
  drawTimes(at('time-chart'), outcomes);
  at('clock-caption').hidden = !timed;
  at('wall-caption').hidden = timed;
  drawMemory(at('memory-chart'), outcomes);
  at('memory-figure').hidden = machine.backend !== 'webgpu';
  fillTable(at('table'), outcomes);
  at('measured').textContent =
    `${whole(tokens)} tokens, ${pattern}. A run is the whole model, from the call until its last logits are on the CPU. ` +
    'The first one plans and compiles, too; ' +
    (machine.repetitions > 1
      ? `the median is of ${machine.repetitions} runs after ${machine.warmUps + 1}.`
      : 'the median is of the one after it.');
  const report = (measured(outcomes, 'fused') ?? measured(outcomes, 'dense'))?.report ?? null;
  at('report').textContent = report === null ? '' : JSON.stringify(report, null, 2);
  at('report-details').hidden = report === null;
  window.demoResult = {
    ok: !results.some(({state}) => state === 'bad'),
    machine: machine.description,
    tokens,
    pattern: pattern.toString(),
    table: tableCells(outcomes),
    verdicts: results,
  };
}
