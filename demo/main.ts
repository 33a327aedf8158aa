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
import {drawBars, fillTable, fillVerdicts, tableCells} from './results.js';
import {runAll, type Outcome} from './runs.js';

declare global {
  interface Window {
    /** For scripts/start.mjs: set when the runs are over. */
    demoResult?: {ok: boolean; machine: string; tokens: number; pattern: string; table: object[]; verdicts: object[]};
  }
}

const PRESETS: readonly (readonly [string, Pattern])[] = [
  ['window', slidingWindow({left: 128, right: 128})],
  ['causal window', slidingWindow({left: 255})],
  ['Longformer', slidingWindow({left: 128, right: 128}).or(globalTokens(16))],
  ['dilated', slidingWindow({left: 64, right: 64, dilation: 8})],
  ['strided', causal().and(slidingWindow({left: 127}).or(strided({stride: 128})))],
  ['blocks', blockLocal({size: 256})],
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
let outcomes: readonly Outcome[] = [];

const machine = await findMachine();
at('machine').textContent = machine.description;
at('machine').classList.toggle('lacking', machine.backend !== 'webgpu');
fillControls(machine);
textField.value = await (await fetch('text/tensorflowjs.txt')).text();
describeText();
showPattern();
runButton.disabled = false;
if (query.has('run')) await run();

function fillControls({lengths, defaultLength, lengthNote}: Machine): void {
  const wanted = Number(query.get('tokens') ?? defaultLength);
  const offered = [...new Set([...lengths, wanted])].filter((length) => length >= 1 && length <= DEMO_ENCODER.positions);
  tokensField.replaceChildren(
    ...offered
      .sort((a, b) => a - b)
      .map((length) => new Option(`${whole(length)} tokens`, String(length), false, length === wanted)),
  );
  at('length-note').textContent = lengthNote;
  patternField.value = query.get('pattern') ?? PRESETS[0]![1].toString();
  at('presets').replaceChildren(
    ...PRESETS.map(([name, pattern]) => {
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

/** The first bytes of the text; a text that is too short is read again from its start until it is long enough. */
function tokens(): Uint8Array {
  const encoded = new TextEncoder().encode(textField.value || ' ');
  return Uint8Array.from({length: Number(tokensField.value)}, (_, i) => encoded[i % encoded.length]!);
}

function describeText(): void {
  const available = new TextEncoder().encode(textField.value).length;
  const used = Number(tokensField.value);
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
    const length = Number(tokensField.value);
    const {heads, headDim} = DEMO_ENCODER;
    const plan = planAttention(pattern, {queryLength: length, keyLength: length, heads, headDim});
    drawMask(at('mask'), pattern, length);
    drawPlan(at('plan'), plan);
    const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
    at('mask-note').textContent = `${whole(plan.nnz)} of ${whole(length * length)} pairs attend, ${percent(plan.density)}.`;
    at('plan-note').textContent =
      `${percent(plan.tileDensity)} of the pairs computed are wanted. Memory beyond the tensors: ${bytes(plan.bytes)}. Chosen: ${plan.implementation}, ${plan.reason}`;
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
    return;
  }
  runButton.disabled = true;
  try {
    artifacts ??= download();
    const job = {artifacts: await artifacts, pattern, tokens: tokens(), machine, onProgress: showProgress};
    outcomes = await runAll(job);
    showOutcomes(pattern, job.tokens.length);
  } catch (error) {
    artifacts = null;
    showProgress(0, `The runs broke off: ${error instanceof Error ? error.message : error}`);
    window.demoResult = {
      ok: false,
      machine: machine.description,
      tokens: 0,
      pattern: pattern.toString(),
      table: [],
      verdicts: [{state: 'bad', text: String(error)}],
    };
  } finally {
    runButton.disabled = false;
  }
}

function download(): Promise<tf.io.ModelArtifacts> {
  const onProgress = (share: number) => showProgress(0, `fetching the model, ${Math.round(100 * share)} %`);
  return tf.io.http('model/model.json', {onProgress}).load!();
}

function showProgress(done: number, doing: string): void {
  at<HTMLProgressElement>('progress').value = done;
  at('step').textContent = doing;
}

function showOutcomes(pattern: Pattern, length: number): void {
  const found = verdicts(outcomes);
  at('results').hidden = false;
  fillVerdicts(at('verdicts'), found);
  drawBars(at('time-chart'), outcomes, 'medianMs');
  drawBars(at('memory-chart'), outcomes, 'peakBytes');
  fillTable(at('table'), outcomes);
  at('measured').textContent =
    `${whole(length)} tokens, ${pattern}. Median of ${machine.repetitions} runs after two; a run is ` +
    'the whole model, from the call until its last logits are on the CPU. The first run plans and compiles, too.';
  const report = (measured(outcomes, 'fused') ?? measured(outcomes, 'dense'))?.report ?? null;
  at('report').textContent = report === null ? '' : JSON.stringify(report, null, 2);
  at('report-details').hidden = report === null;
  window.demoResult = {
    ok: !found.some(({state}) => state === 'bad'),
    machine: machine.description,
    tokens: length,
    pattern: pattern.toString(),
    table: tableCells(outcomes),
    verdicts: found,
  };
}
