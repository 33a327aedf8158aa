import type {Acsr, Lines} from './acsr/index.js';
import type {Pattern} from './pattern/index.js';
import {keyOf} from './support/index.js';
import {
  CHUNK_PAIRS,
  converts,
  CORE_DEVICE,
  draw,
  formatsText,
  isWide,
  type Device,
  type Pass,
  type Plan,
  type Work,
} from './plan/index.js';
import type {Launch, Program} from './wgsl/index.js';

/** The stages of one attention. Pattern and rows are null when the mask is a tensor. */
export interface Stages {
  readonly pattern: Pattern | null;
  readonly lines: Lines | null;
  readonly plan: Plan;
  readonly launches: readonly Launch[];
}

/** All stages as text, in order: pattern, ACSR, plan with its drawing, launches, WGSL. Behind `explain()`, the goldens and the demo. */
export function explain({pattern, lines, plan, launches}: Stages): string {
  return [patternText(pattern), lines === null ? '' : linesText(lines), planText(plan), launchesText(launches)]
    .filter((text) => text !== '')
    .join('\n\n');
}

export const patternText = (pattern: Pattern | null): string =>
  `pattern  ${pattern === null ? 'a mask tensor' : shorten(pattern.toString())}`;

/** What is launched, and the WGSL of each program. */
export const launchesText = (launches: readonly Launch[]): string =>
  [launches.map(launchText).join('\n'), ...programsOf(launches).map(({key, code}) => `// ${key}\n${code}`)].join('\n\n');

/** The text of a mask has a word for every 32 pairs. */
const shorten = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 160)}… (${text.length} characters)`);

/** Each program once, in the order of their first launches. */
const programsOf = (launches: readonly Launch[]): Program[] => [
  ...new Map(launches.map(({program}) => [program.key, program])).values(),
];

function launchText({program: {name, bindings, invocations, workgroupBytes}, grid}: Launch): string {
  return `launch   ${name}: ${grid.join(' × ')} workgroups of ${invocations}, ${workgroupBytes} bytes shared; ${bindings.join(', ')}`;
}

const MAX_SHOWN_RUNS = 6;
const MAX_SHOWN_LINES = 8;

export function acsrText({queryLength, keyLength, nnz, rowRuns, start, stride, count, irregularRows}: Acsr): string {
  const picked = [...new Set([0, 1, queryLength >> 1, queryLength - 1])].filter((row) => row >= 0 && row < queryLength);
  const rows = picked.map((row) => {
    const runs = [];
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) runs.push(`${start[run]} + ${stride[run]}·i, i < ${count[run]}`);
    const more = runs.length > MAX_SHOWN_RUNS ? `  ∪  ${runs.length - MAX_SHOWN_RUNS} more` : '';
    const shown = runs.slice(0, MAX_SHOWN_RUNS).join('  ∪  ');
    return `  row ${row}: ${irregularRows.includes(row) ? 'bits' : (shown || 'nothing') + more}`;
  });
  const irregular = irregularRows.length > 0 ? `, ${irregularRows.length} irregular rows` : '';
  return [`acsr     ${queryLength} × ${keyLength}, nnz ${nnz}, ${start.length} runs${irregular}`, ...rows].join('\n');
}

/** The rows of every line: each once, below the heads and sequences that have them. */
export function linesText({rows, heads, batch, of}: Lines): string {
  if (rows.length === 1) return acsrText(rows[0]!);
  const nameOf = (line: number): string =>
    [batch > 1 ? `sequence ${Math.floor(line / heads)}` : '', heads > 1 ? `head ${line % heads}` : ''].filter(Boolean).join(' ');
  const shown = rows.map((acsr, number) => {
    const names = of.flatMap((its, line) => (its === number ? [nameOf(line)] : []));
    const more = names.length > MAX_SHOWN_LINES ? ` and ${names.length - MAX_SHOWN_LINES} more` : '';
    return `lines    ${names.slice(0, MAX_SHOWN_LINES).join(', ')}${more}\n${acsrText(acsr)}`;
  });
  return shown.join('\n');
}

export function planText(plan: Plan): string {
  const {implementation, reason, nnz, density, tileDensity, costMs, bytes} = plan;
  return joined(
    `plan     ${implementation}: ${reason}`,
    sizesText(plan),
    `  nnz ${nnz}, density ${density.toFixed(4)}, tileDensity ${tileDensity.toFixed(3)}`,
    tilesText(plan),
    ...candidatesText(plan),
    ...plan.untried.map((order) => `  considered ${order}; rows keep their order`),
    `  predicted ${costMs.toPrecision(3)} ms on the reference GPU; ${bytes} bytes beside the tensors`,
    draw(plan),
  );
}

/** What was compared, where that was more than arithmetic and dense, which the reason compares. */
function candidatesText({candidates}: Plan): string[] {
  if (candidates.length <= 2) return [];
  return candidates.map(
    ({name, tileDensity, costMs}) =>
      `  considered ${name}: tileDensity ${tileDensity.toFixed(3)}, predicted ${costMs.toPrecision(3)} ms`,
  );
}

/** The same of a decoding step or a backward pass, which nobody chose among others. */
export const workText = (work: Work): string => joined('plan     of what runs:', sizesText(work), tilesText(work));

const joined = (...texts: readonly string[]): string =>
  texts
    .filter((line) => line !== '')
    .join('\n')
    .trimEnd();

const sizesText = ({problem}: Work): string =>
  `  query ${problem.queryLength} × key ${problem.keyLength}, offset ${problem.queryOffset}, ${problem.batch} × ${problem.heads} heads of ${problem.headDim} → ${problem.valueDim}`;

function tilesText(work: Work): string {
  const {problem, tile, passes, slots} = work;
  const items = passes.map(({itemBegin, itemEnd}) => itemEnd - itemBegin).join(' + ');
  return joined(
    isWide(problem)
      ? `  chunks of up to ${CHUNK_PAIRS} pairs`
      : `  tile ${tile.rows} × ${tile.keys}, ${tile.threadsX} × ${tile.threadsY} invocations; ${items} work items, ${slots} partial`,
    ...passes.map(kindsText),
    kernelText(work),
    deviceText(work.device),
  );
}

/** How a pass differs from what regular patterns have. */
function kindsText({kinds: {rows, keys, mask, heads, batch}}: Pass, index: number): string {
  const words = [
    rows === 'list' ? 'lists of rows' : '',
    keys === 'list' ? 'lists of keys' : '',
    mask === 'bits' ? 'a bit for each pair' : '',
    mask === 'own' ? 'a row for every 8 invocations' : '',
    mask === 'fours' ? 'every four rows with one list of keys' : '',
    heads === 'item' ? 'heads of their own' : '',
    batch === 'item' ? 'sequences of their own' : '',
  ].filter((word) => word !== '');
  return words.length === 0 ? '' : `  pass ${index + 1}: items with ${words.join(', ')}`;
}

/** The device a plan was made for, as far as plans depend on it. */
function deviceText(device: Device): string {
  if (keyOf(device) === keyOf(CORE_DEVICE)) return '  planned for the limits that every WebGPU device guarantees';
  const {vendor, software, maxWorkgroupBytes, maxBindingBytes, subgroups, float16, matrices, tuned} = device;
  const whose = software ? 'a device played by the CPU' : vendor === '' ? 'a device that names no vendor' : `a device of ${vendor}`;
  const features = [
    subgroups === null ? '' : `subgroups of ${[...new Set([subgroups.min, subgroups.max])].join(' to ')}`,
    float16 ? 'float16' : '',
    matrices.length > 0 ? 'tensor cores' : '',
    Object.keys(tuned).length > 0 ? 'tuned' : '',
  ].filter((feature) => feature !== '');
  const limits = `${maxWorkgroupBytes} bytes shared, ${maxBindingBytes} a binding`;
  return `  planned for ${[whose, limits, ...features].join(', ')}`;
}

function kernelText({problem, formats, matrix}: Work): string {
  if (matrix !== null) return `  ${formatsText(formats)} on tensor cores, matrices of ${matrix.M} × ${matrix.N} × ${matrix.K}`;
  if (!converts(formats)) return '';
  return isWide(problem)
    ? `  rounded to ${formatsText(formats)}, float32 arithmetic`
    : `  ${formatsText(formats)} storage, float32 arithmetic`;
}
