import {paramsOf} from '../terms/fields.js';
import {hasFarScores, scoreUnit, termsOf} from '../terms/terms.js';
import type {Features} from '../text/features.js';
import {gridIndex} from '../text/grid.js';
import {program} from '../text/make_program.js';
import type {BindingRole, Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';
import {plain, textOf, type Flow, type Region} from '../tile/flow.js';
import {NUMBERS} from '../text/numbers.js';
import {eachColumn, orZeros} from '../tile/own_trips.js';
import {Scoring} from '../tile/scoring.js';
import {headerAt, zerosBehind} from './packed_params.js';
import {divisorOf, joinSoftmax, PACKED_WEIGHTS} from './packed_softmax.js';
import {joinLanes, packedGroupBytes, packedGroupMemory} from './row_sums.js';

/** What the text of packed scores depends on. */
export interface PackedScoresShape {
  readonly headDim: number;
  readonly shared: boolean;
  /** Long rows are shared out. */
  readonly inParts: boolean;
  readonly features: Features;
  /** The softmax of each row is written, of up to `width` numbers, in place of the scores. */
  readonly softmax: {readonly width: number; readonly sinks: boolean} | null;
}

/** The rows whose scores workgroup memory keeps, and for whom one text is: 8 rows of 256 take 8 KB. */
export const MOST_WEIGHED = 256;
export const weighedWidth = (longest: number): number => 2 ** Math.ceil(Math.log2(Math.max(16, longest)));

const INVOCATIONS = 64;
/** Of a row, and as many keys a trip: each lane then has one score. */
const LANES = 8;
export const SCORE_ROWS = INVOCATIONS / LANES;
/** One number more than there are lanes, so that neighbours read different banks of memory. */
const PITCH = LANES + 1;
const ROW = LANES * PITCH;
/** How the lanes of a row are joined for its softmax. */
const GROUP = {lanes: LANES, registers: 0};

/**
 * The unit of packed scores within the kernel: theirs, as softmax counts, unless terms have another.
 */
export const packedUnit = (features: Features): number => (hasFarScores(features) || features.softcap ? scoreUnit(features) : 1);

/** Whether a pair of the pattern may be hidden. */
export const hidesScores = (features: Features): boolean =>
  termsOf(features).some(({adds, shows, keyCount}) => adds !== undefined || shows !== undefined || keyCount !== undefined);

/**
 * The scores of the pairs of packed rows. 8 lanes have a row of one head: each has every eighth vec4 of the query and of 8 keys, what they have
 * of the products goes through workgroup memory, and each lane ends with one score, which it writes beside those of its neighbours.
 *
 * `params.first` to `params.bits` are the workgroups of a dispatch, `params.numbers` those of a line, `params.pairs` the numbers of one.
 */
export function packedScoresProgram({headDim, shared, inParts, features, softmax}: PackedScoresShape): Program {
  const scoring = new Scoring(features);
  const [query, key] = [rowAccess('query', headDim), rowAccess('key', headDim)];
  const count = Math.ceil(key.columns / LANES);
  const unit = packedUnit(features);
  const side = features.farScale ? ' * params.sideScale' : '';
  const region = (turn: number): Region => ({begin: (turn * SCORE_ROWS * ROW) / 4, end: ((turn + 1) * SCORE_ROWS * ROW) / 4});
  const keyAt = (name: string, place: string): string =>
    lines(
      `let at${name} = begin + ${place};`,
      `let two${name} = schedule[u32(lists.y) + (at${name} >> 1u)];`,
      `let number${name} = u32(select(two${name}.x, two${name}.y, (at${name} & 1u) == 1u));`,
    );
  const load = (k: number): string =>
    lines(
      keyAt(`${k}`, `min(y0 + ${k}u, last)`),
      `let row${k} = ${key.base(`(keyLine + number${k} * params.keyStrides.y)`)};`,
      eachColumn(
        key,
        LANES,
        (n, column, inside) => `let k${k}_${n} = ${orZeros('vec4f', `${key.load(`row${k}`, column)}${side}`, inside)};`,
      ),
    );
  const sum = (terms: readonly string[]): string => tree(terms, (a, b) => `(${a} + ${b})`);
  const dot = (k: number): string => sum(Array.from({length: count}, (_, n) => `dot(q${n}, k${k}_${n})`));
  const apart = scoring.apart('head', 'row', 'batch');
  const score = (): string => {
    const whole = unit === 1 ? 's' : `s * ${unit}`;
    const shown = apart === null ? whole : `${whole} - ${apart.factor} * ${apart.way}`;
    const written = softmax === null ? `bitcast<u32>(${shown})` : `finite(${shown})`;
    const hidden = softmax === null ? '0xff800000u' : 'LEAST';
    const to = softmax === null ? 'output[line * params.pairs + atOwn]' : 'scores[kept + y0 + tx]';
    return lines(
      keyAt('Own', 'y0 + tx'),
      scoring.key(0, 'i32(numberOwn)'),
      scoring.pair('s', 0, 0),
      scoring.clips ? `s = select(HIDDEN, s, i32(numberOwn) < ${scoring.keyCount});` : '',
      `${to} = ${hidesScores(features) ? `select(${written}, ${hidden}, s <= EMPTY)` : written};`,
    );
  };
  const trip = (turn: number): Flow[] => {
    const base = turn * SCORE_ROWS * ROW;
    return [
      {
        name: 'parts of products',
        reads: [],
        writes: [region(turn)],
        code: lines(
          each(LANES, load),
          each(LANES, (k) => `parts[${base + k * PITCH}u + ty * ${ROW}u + tx] = ${dot(k)};`),
        ),
      },
      {
        name: 'a score of each lane',
        reads: [region(turn)],
        writes: [],
        code: lines(
          'if (y0 + tx < size) {',
          `let mine = ${base}u + ty * ${ROW}u + tx * ${PITCH}u;`,
          `var s = ${sum(Array.from({length: LANES}, (_, i) => (i === 0 ? 'parts[mine]' : `parts[mine + ${i}u]`)))};`,
          score(),
          '}',
        ),
      },
    ];
  };
  const spanAt = (item: string): string =>
    inParts ? `schedule[items + 2u * min(${item}, count - 1u) + 1u]` : `schedule[u32(lists.x) + min(${item}, count - 1u)]`;
  const loop: Flow = {
    // Two trips, each with memory of its own: one barrier a trip is enough.
    open: `for (var y = 0u; y < longest; y += ${2 * LANES}u) {`,
    body: [
      {open: '{', body: [plain('let y0 = y;'), ...trip(0)], runs: 'once'},
      {open: `if (y + ${LANES}u < longest) {`, body: [plain(`let y0 = y + ${LANES}u;`), ...trip(1)], runs: 'between'},
    ],
    runs: 'any',
  };
  const own: BindingRole[] = softmax?.sinks ? ['sinks'] : [];
  return program({
    name: softmax === null ? 'SplatSddmm' : 'SplatAttentionWeights',
    bindings: ['params', 'query', 'key', ...scoring.bindings, ...own, 'schedule', 'output'],
    writes: ['output'],
    elements: {
      ...{query: query.element, key: key.element, ...scoring.elements, sinks: 'f32', schedule: 'vec2i'},
      // Bits: −∞ is no constant of WGSL.
      output: softmax === null ? 'u32' : 'f32',
    },
    workgroupBytes: 4 * 2 * SCORE_ROWS * ROW + (softmax === null ? 0 : 4 * SCORE_ROWS * softmax.width + packedGroupBytes(GROUP)),
    invocations: INVOCATIONS,
    code: lines(
      `// ${softmax === null ? 'Scores' : 'Weights'} of packed rows of queries and keys of ${headDim}; ${LANES} invocations have a row, ${LANES} keys a trip.`,
      NUMBERS,
      paramsOf(features),
      `var<workgroup> parts: array<f32, ${2 * SCORE_ROWS * ROW}>;`,
      softmax === null
        ? ''
        : lines(`var<workgroup> scores: array<f32, ${SCORE_ROWS * softmax.width}>;`, packedGroupMemory(GROUP), PACKED_WEIGHTS),
      query.functions,
      key.functions,
      scoring.functions,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `let index = params.first + ${gridIndex(1, '0u')};`,
      'if (index >= params.bits) { return; }',
      'let line = index / params.numbers;',
      'let block = index % params.numbers;',
      headerAt(shared),
      'let batch = line / params.heads;',
      'let head = line % params.heads;',
      `let tx = lane % ${LANES}u;`,
      `let ty = lane / ${LANES}u;`,
      `let item = block * ${SCORE_ROWS}u + ty;`,
      'let count = u32(counts.x);',
      inParts ? 'let items = u32(schedule[header + 2u].x);' : '',
      // Read by all lanes, so that all make as many trips.
      each(SCORE_ROWS, (i) => `let span${i} = ${spanAt(`block * ${SCORE_ROWS}u + ${i}u`)};`),
      `let longest = u32(${tree(
        Array.from({length: SCORE_ROWS}, (_, i) => `span${i}.y - span${i}.x`),
        (a, b) => `max(${a}, ${b})`,
      )});`,
      `let span = ${spanAt('item')};`,
      'let size = select(0u, u32(span.y - span.x), item < count);',
      'let begin = select(0u, u32(span.x), span.y > span.x);',
      'let last = max(u32(span.y - span.x), 1u) - 1u;',
      inParts ? 'let row = u32(schedule[items + 2u * min(item, count - 1u)].x);' : 'let row = min(item, count - 1u);',
      `let queryRow = ${query.base('(batch * params.queryStrides.z + head * params.queryStrides.x + row * params.queryStrides.y + params.queryStrides.w)')};`,
      eachColumn(
        query,
        LANES,
        (n, column, inside) => `let q${n} = ${orZeros('vec4f', `${query.load('queryRow', column)}${side}`, inside)};`,
      ),
      'let keyLine = batch * params.keyStrides.z + head / params.groupSize * params.keyStrides.x + params.keyStrides.w;',
      scoring.query(0, 'row', `line * params.queryLength + row`),
      softmax === null ? '' : `let kept = ty * ${softmax.width}u;`,
      textOf([
        loop,
        ...(softmax === null ? [] : weighRows(softmax.sinks)),
        plain(zerosBehind(shared, INVOCATIONS, 'params.pairs', softmax === null ? '0u' : '0.0')),
      ]),
      '}',
    ),
  });
}

/** The softmax of the scores that workgroup memory keeps. A lane reads those that it wrote, so that it waits for nobody but the joint sum. */
function weighRows(sinks: boolean): Flow[] {
  const over = (code: string): string => `for (var i = tx; i < size; i += ${LANES}u) { ${code} }`;
  return [
    plain(
      lines(
        'let own = tx;',
        'var most = LEAST;',
        over('most = max(most, scores[kept + i]);'),
        'var sum = 0.0;',
        over('sum += weight(scores[kept + i], most);'),
      ),
    ),
    ...joinLanes(GROUP, 'joined', 'vec2f(most, sum)', joinSoftmax),
    plain(lines(divisorOf(sinks), over('output[line * params.pairs + begin + i] = weight(scores[kept + i], top) / divisor;'))),
  ];
}
