import {
  compile,
  compileGradients,
  compileMaskTensor,
  CORE_DEVICE,
  explain,
  generateActivation,
  generateNorm,
  generateNormGradients,
  generateProduct,
  generateScoreTiles,
  makeProductPlan,
  PLAIN,
  readBlockMask,
  type Compiled,
  type Device,
  type Program,
  type Precision,
  type ScoreProduct,
} from '../../src/pure.js';
import {causal, globalTokens, slidingWindow} from '../../src/pattern/index.js';
import {CORPUS, corpusCase, problemOfCase} from '../corpus.js';
import {hashed} from './mask_draws.js';
import {maskOf} from './mask_zoo.js';
import {scoreTilesOf} from './score_tile_programs.js';
import {packedTable, productOf, scoresOf, softmaxGradientOf, softmaxOf, weightsOf} from './packed_programs.js';
import {EVERYTHING, featuredDevice, MATRIX_16, MATRIX_8, problemFor, SOFTWARE_DEVICE} from './plans.js';

/** A program with a golden of its own, and what it is for. */
export interface Variant {
  readonly name: string;
  readonly says: string;
  readonly program: Program;
}

const long = {queryLength: 8192, keyLength: 8192, queryOffset: 0};
const short = {queryLength: 64, keyLength: 64, queryOffset: 0};

function programOf(compiled: Compiled, name: string): Program {
  const found = compiled.launches.find(({program}) => program.name === `SparseAttention.${name}`);
  if (found === undefined) throw new Error(`no ${name} among ${compiled.launches.map(({program}) => program.name).join()}`);
  return found.program;
}

function attend(shape: typeof long, headDim: number, valueDim = headDim, options: Parameters<typeof compile>[3] = {}): Program {
  const problem = problemFor(shape, {headDim, valueDim});
  return programOf(compile(causal(), problem, CORE_DEVICE, {implementation: 'fused', ...options}), 'attend');
}

const masked = (mask: readonly [number, number, number, number], bias: boolean): Compiled =>
  compileMaskTensor(problemFor(short), CORE_DEVICE, mask, {features: {...PLAIN, bias}});

function longRows(): Compiled {
  const each = corpusCase('long-rows');
  return compile(each.pattern, problemOfCase(each), CORE_DEVICE);
}

/** Programs of a device with more than the core. */
const featured = (device: Device, precision: Precision, name: string): Program =>
  programOf(compile(causal(), problemFor(long, {headDim: 64}), device, {implementation: 'fused', precision}), name);

const staged = {...CORE_DEVICE, tuned: {'float32, long rows, 64 → 64 features': 'staged'}};

/** Programs of a backward pass. */
function backward(
  shape: typeof long,
  headDim: number,
  name: string,
  sums?: Parameters<typeof compileGradients>[2],
  options: Parameters<typeof compile>[3] = {},
): Program {
  const problem = problemFor(shape, {headDim});
  const forward = compile(causal(), problem, CORE_DEVICE, {implementation: 'fused', aux: 'rowSums', ...options});
  const launch = compileGradients(forward, false, sums).launches.find(({program}) => program.name === `SparseAttention.${name}`);
  if (launch === undefined) throw new Error(`no ${name} in a backward pass`);
  return launch.program;
}

const everything = compile(causal(), problemFor(short), CORE_DEVICE, {
  implementation: 'fused',
  features: EVERYTHING,
});
// A cache keeps no sums.
const summed = compile(causal(), problemFor(short), CORE_DEVICE, {
  implementation: 'fused',
  features: {...EVERYTHING, ring: false},
  aux: 'logSumExp',
});

/** Rows with keys of their own, one of them long. */
function scattered(headDim: number, device: Device = CORE_DEVICE, options: Parameters<typeof compile>[3] = {}): Compiled {
  const n = 1024;
  const near = maskOf({queryLength: n, keyLength: n}, (query, key) => query === 500 || hashed(query, key, 7) % 64 === 0);
  return compile(near, problemFor({queryLength: n, keyLength: n, queryOffset: 0}, {headDim}), device, {
    implementation: 'fused',
    ...options,
  });
}

/** What docs/architecture.md follows through all rooms: Longformer, as in the benchmark. */
const WALK_THROUGH = compile(
  slidingWindow({left: 256, right: 256}).or(globalTokens(64)),
  problemFor({queryLength: 4096, keyLength: 4096, queryOffset: 0}, {heads: 8, headDim: 64}),
  CORE_DEVICE,
);

const PLAIN_NORM = {rows: 512, width: 768, epsilon: 1e-5, centred: true, gamma: true, beta: false, residual: false, sum: false};
const WHOLE_NORM = {...PLAIN_NORM, beta: true, residual: true, sum: true};
const NORM = generateNorm(WHOLE_NORM).launches.map(({program}) => program);
const NORM_GRADIENTS = generateNormGradients(WHOLE_NORM).launches.map(({program}) => program);

/** Every option that packed scores take. */
export const PACKED = {...EVERYTHING, ring: false, sinks: false, dropout: false};

/** Every kind of program, once: the corpus needs the first four. */
/** Programs of a product of matrices of so many numbers along each side. */
function product(
  sides: number,
  block: number,
  masks: 'a' | 'both' | 'none',
  turned = false,
  precision: Precision = 'float32',
): readonly Program[] {
  const blocks = Math.ceil(sides / block);
  const mask = readBlockMask(
    'mask',
    Array.from({length: blocks ** 2}, (_, i) => i % 2),
    {rows: blocks, columns: blocks, matrices: 1},
  );
  const problem = {
    ...{m: sides, k: sides, n: sides, block: {m: block, k: block, n: block}, transposeA: turned, transposeB: turned},
    ...{matricesA: new Int32Array(1), matricesB: new Int32Array(1)},
    ...{maskA: masks === 'none' ? null : mask, maskB: masks === 'both' ? mask : null, maskC: null, precision},
  };
  return generateProduct(makeProductPlan(problem, precision === 'float16' ? featuredDevice(MATRIX_16) : CORE_DEVICE)).launches.map(
    ({program}) => program,
  );
}

/** Programs over tiles of packed numbers of long rows. */
const scoreTiles = (product: ScoreProduct, headDim: number, index = 0, features = PLAIN): Program =>
  generateScoreTiles(scoreTilesOf(product, causal(), 2200, headDim), {features}).launches.filter(
    ({program: {name}}) => !name.endsWith('.gather'),
  )[index]!.program;

export const VARIANTS: readonly Variant[] = [
  {name: 'attend-16', says: '32 × 32 tiles, intervals', program: attend(short, 16)},
  {name: 'attend-16-bits', says: '32 × 32 tiles, mask bits', program: attend(short, 16, 16, {implementation: 'dense'})},
  {name: 'attend-5-3', says: 'features that fill no vec4', program: attend(short, 5, 3)},
  {name: 'merge-16', says: 'joins the parts of long rows', program: programOf(longRows(), 'merge')},
  {name: 'merge-64', says: 'the same with 64 features', program: programOf(WALK_THROUGH, 'merge')},
  {name: 'attend-16-bias', says: 'with a bias', program: attend(short, 16, 16, {features: {...PLAIN, bias: true}})},
  {
    name: 'attend-16-bits-bias',
    says: 'a mask tensor and a bias: all 8 storage buffers',
    program: programOf(masked([1, 1, 64, 64], true), 'attend'),
  },
  {name: 'attend-64', says: '64 × 64 tiles, the benchmark', program: attend(long, 64)},
  {
    name: 'attend-64-long',
    says: '128 × 64 tiles, for long rows on a measured device',
    program: featured({...CORE_DEVICE, vendor: 'nvidia', maxWorkgroupBytes: 32768}, 'float32', 'attend'),
  },
  {name: 'attend-64-staged', says: 'queries in workgroup memory', program: featured(staged, 'float32', 'attend')},
  {
    name: 'attend-64-subgroups',
    says: 'row maxima by subgroup shuffles, four lanes at a time',
    program: featured({...CORE_DEVICE, subgroups: {min: 4, max: 4}}, 'float32', 'attend'),
  },
  {name: 'convert-64', says: 'query, key and value to halves', program: featured(CORE_DEVICE, 'float16', 'convert')},
  {name: 'attend-64-halves', says: 'float16 storage', program: featured(CORE_DEVICE, 'float16', 'attend')},
  {
    name: 'matrix-64',
    says: 'tensor cores, 16 × 16 × 16 halves',
    program: featured(featuredDevice(MATRIX_16), 'float16', 'attendMatrix'),
  },
  {name: 'repair-64', says: 'what the kernel before gave up', program: featured(featuredDevice(MATRIX_16), 'float16', 'repair')},
  {
    name: 'matrix-64-floats',
    says: 'tensor cores, 8 × 8 × 8 floats: unmeasured',
    program: featured(featuredDevice(MATRIX_8), 'float32', 'attendMatrix'),
  },
  {name: 'attend-256', says: 'keys and values staged in several steps', program: attend(long, 256)},
  {
    name: 'attend-16-software',
    says: 'for a CPU that plays GPU: nothing unrolled',
    program: programOf(compile(causal(), problemFor(short), SOFTWARE_DEVICE), 'attend'),
  },
  {name: 'rows-16', says: 'row by row', program: programOf(scattered(16), 'attendRows')},
  {name: 'rows-16-merge', says: 'joins the parts of a long row among short ones', program: programOf(scattered(16), 'merge')},
  {
    name: 'rows-64-subgroups',
    says: 'row by row, with subgroup shuffles',
    program: programOf(scattered(64, {...CORE_DEVICE, subgroups: {min: 8, max: 32}}), 'attendRows'),
  },
  {
    name: 'rows-64-halves',
    says: 'row by row, float16 storage',
    program: programOf(scattered(64, CORE_DEVICE, {precision: 'float16'}), 'attendRows'),
  },
  {
    name: 'rows-21-everything',
    says: 'row by row, features that fill no vec4, with every option',
    program: programOf(scattered(21, CORE_DEVICE, {features: {...EVERYTHING, ring: false}}), 'attendRows'),
  },
  {name: 'pack-mask', says: 'a mask tensor to bits', program: programOf(masked([1, 1, 64, 64], false), 'packMask')},
  {
    name: 'pack-mask-odd',
    says: 'of a number of keys that four does not divide',
    program: programOf(compileMaskTensor(problemFor({...short, keyLength: 63}), CORE_DEVICE, [1, 1, 64, 63]), 'packMask'),
  },
  {name: 'mask-states', says: 'what tiles of a mask tensor hold', program: programOf(masked([1, 1, 64, 64], false), 'maskStates')},
  {
    name: 'matrix-64-mask',
    says: 'a mask tensor on tensor cores: from one tile that holds something to the next',
    program: programOf(
      compileMaskTensor(problemFor(long, {headDim: 64}), featuredDevice(MATRIX_16), [1, 1, 8192, 8192], {precision: 'float16'}),
      'attendMatrix',
    ),
  },
  {
    name: 'pack-mask-column',
    says: 'a mask tensor with one element for all keys',
    program: programOf(masked([1, 1, 64, 1], false), 'packMask'),
  },
  {name: 'attend-16-everything', says: 'with every option', program: programOf(everything, 'attend')},
  {name: 'gather', says: 'the small tensors of a call, behind the schedule', program: programOf(everything, 'gather')},
  {name: 'log-sum-exp', says: 'from maximum and sum', program: programOf(summed, 'logSumExp')},
  {
    name: 'round-64',
    says: 'what a forward pass read as halves, for its backward pass',
    program: backward(long, 64, 'round', undefined, {precision: 'float16'}),
  },
  {name: 'row-stats-16', says: 'what a backward pass needs of each row', program: backward(short, 16, 'rowStats')},
  {name: 'query-gradients-16', says: '32 × 32 tiles, owns rows', program: backward(short, 16, 'queryGradients')},
  {name: 'key-gradients-16', says: '32 × 32 tiles, owns keys', program: backward(short, 16, 'keyGradients')},
  {name: 'key-gradients-64', says: '64 × 64 tiles', program: backward(long, 64, 'keyGradients')},
  {
    name: 'key-gradients-16-bias',
    says: 'leaves records, for a bias takes the binding of a gradient',
    program: backward(short, 16, 'keyGradients', undefined, {features: {...PLAIN, bias: true}}),
  },
  {
    name: 'sum-key-gradients-16',
    says: 'sums records',
    program: backward(short, 16, 'sumKeyGradients', undefined, {features: {...PLAIN, bias: true}}),
  },
  {
    name: 'score-gradients-16',
    says: 'of a bias that rows and keys do not share',
    program: backward(short, 16, 'scoreGradients', {kind: 'pairs', shape: [1, 1, 64, 64]}),
  },
  {
    name: 'key-score-gradients-16',
    says: 'of a bias that rows share',
    program: backward(short, 16, 'keyScoreGradients', {kind: 'keys'}),
  },
  {name: 'layer-norm-768', says: 'rows of 768 with all that a norm takes and gives', program: NORM[0]!},
  {
    name: 'rms-norm-7',
    says: 'rows that fill no vec4',
    program: generateNorm({...PLAIN_NORM, centred: false, width: 7}).launches[0]!.program,
  },
  {name: 'layer-norm-row-gradients-768', says: 'of rows, normalised again', program: NORM_GRADIENTS[0]!},
  {name: 'layer-norm-column-sums-768', says: 'of gamma and beta, over chunks of rows', program: NORM_GRADIENTS[1]!},
  {name: 'layer-norm-chunk-sums-768', says: 'of gamma and beta, over chunks', program: NORM_GRADIENTS[2]!},
  {name: 'gelu', says: 'by the error function', program: generateActivation('erf', 64, false).launches[0]!.program},
  {name: 'product-64', says: 'blocks of 64 × 64 of both operands', program: product(2048, 64, 'both')[0]!},
  {name: 'product-8', says: 'blocks of 8 × 8 of the left operand: nothing is staged', program: product(2048, 8, 'a')[0]!},
  {
    name: 'product-12-turned',
    says: 'operands that lie transposed, sides that no four divides, sums in parts',
    program: product(1201, 12, 'a', true)[0]!,
  },
  {
    name: 'product-matrix',
    says: 'blocks of 64 × 64 of both operands on tensor cores',
    program: product(2048, 64, 'both', false, 'float16')[0]!,
  },
  {name: 'product-merge', says: 'adds the parts of tiles', program: product(1024, 64, 'none')[1]!},
  {name: 'packed-scores-64', says: 'scores of packed rows', program: scoresOf(packedTable(16, 16), 64).launches[0]!.program},
  {
    name: 'packed-scores-21-everything',
    says: 'features that fill no vec4, with every option, long rows shared out, heads with patterns of their own',
    program: scoresOf(packedTable(4, 300, 64, 2), 21, PACKED).launches[1]!.program,
  },
  {
    name: 'packed-weights-64',
    says: 'scores and softmax of rows of up to 16, with sinks',
    program: weightsOf(packedTable(16, 16), 64, true).launches[0]!.program,
  },
  {name: 'packed-softmax-16', says: 'rows of up to 16', program: softmaxOf(packedTable(16, 16), false).launches[0]!.program},
  {
    name: 'packed-softmax-long',
    says: 'rows that no registers keep, with sinks',
    program: softmaxOf(packedTable(3000, 3000), true).launches[0]!.program,
  },
  {
    name: 'packed-softmax-gradient',
    says: 'rows of up to 60, with sinks',
    program: softmaxGradientOf(packedTable(60, 60), true).launches[0]!.program,
  },
  {
    name: 'packed-product-64',
    says: 'packed rows times rows of 64',
    program: productOf(packedTable(16, 16), 64).launches[0]!.program,
  },
  {
    name: 'packed-product-6-columns',
    says: 'packed columns, long ones in parts, times rows that fill no vec4',
    program: productOf(packedTable(4, 300, 64, 1, true), 6, true).launches[0]!.program,
  },
  {
    name: 'packed-merge',
    says: 'adds the parts of rows',
    program: productOf(packedTable(4, 300, 64), 64).launches[1]!.program,
  },
  {
    name: 'sddmm-tiles-64',
    says: 'scores of packed pairs, 64 × 64 tiles',
    program: scoreTiles('sddmm', 64),
  },
  {
    name: 'sddmm-tiles-21-everything',
    says: 'the same with every option, features that fill no vec4',
    program: scoreTiles('sddmm', 21, 0, PACKED),
  },
  {name: 'spmm-tiles-64', says: 'packed weights times values, tiles of 64 × 32', program: scoreTiles('spmm', 64)},
  {name: 'spmm-tiles-64-sum', says: 'joins the parts of long rows', program: scoreTiles('spmm', 64, 1)},
  {name: 'spmm-key-tiles-64', says: 'the same transposed, tiles of 64 keys', program: scoreTiles('transposed', 64)},
  {name: 'silu-gradient', says: 'a number an invocation', program: generateActivation('silu', 63, true).launches[0]!.program},
];

/** All goldens by path under test/golden: a text of every stage for each case of the corpus, a WGSL file for each variant. */
export function goldens(): Map<string, string> {
  const files = new Map<string, string>();
  for (const {name, says, program} of VARIANTS) {
    files.set(`wgsl/${name}.wgsl`, `// ${says}\n// ${program.workgroupBytes} bytes of workgroup memory\n${program.code}`);
  }
  for (const each of CORPUS) {
    const compiled = compile(each.pattern, problemOfCase(each), CORE_DEVICE, each);
    files.set(`${each.name}.txt`, `${withoutCode(each.name, compiled)}\n`);
  }
  files.set('walk-through.txt', `${withoutCode('walk-through', WALK_THROUGH)}\n`);
  return files;
}

/** What `explain` says, with the name of a golden in place of each program's text. */
function withoutCode(name: string, compiled: Compiled): string {
  let text = explain(compiled);
  for (const {program} of compiled.launches) {
    const variant = VARIANTS.find((each) => each.program.key === program.key);
    if (variant === undefined) throw new Error(`${name} runs a program that is no variant of test/support/goldens.ts`);
    text = text.split(`// ${program.key}\n${program.code}`).join(`wgsl     wgsl/${variant.name}.wgsl`);
  }
  return text;
}
