import {readdir, readFile} from 'node:fs/promises';
import {PATTERNS} from '../../bench/patterns.js';
import {compile, compileMaskTensor, CORE_DEVICE, type Launch, type Program} from '../../src/pure.js';
import {causal, slidingWindow, strided} from '../../src/pattern/index.js';
import {ITEM, KEY_ITEM, KEY_MERGE, MERGE, REGULAR, SPAN, VISIT, type Device, type Plan} from '../../src/plan/index.js';
import {PLAIN} from '../../src/wgsl/index.js';
import {kernelShape, type KernelShape} from '../../src/wgsl/tile/kernel_shape.js';
import {hash} from '../../src/support/index.js';
import {indent, tree} from '../../src/wgsl/text/text.js';
import {CORPUS, corpusCase, problemOfCase} from '../corpus.js';
import {EVERYTHING, planFor, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';
import {readStruct, structLayout} from '../support/wgsl_layout.js';

const VALUE_DIMS = [1, 3, 4, 16, 31, 32, 33, 64, 80, 96, 100, 127, 128, 129, 160, 192, 255, 256];
const long = {queryLength: 9000, keyLength: 9000, queryOffset: 0};

/** Every kernel shape a device can be given: all head dims, many value dims, the three tile shapes, intervals and bits. */
function* allShapes(): Generator<KernelShape> {
  const cases: [Device, number][] = [CORE_DEVICE, SOFTWARE_DEVICE].flatMap((device) =>
    VALUE_DIMS.map((dim): [Device, number] => [device, dim]),
  );
  for (const [device, valueDim] of cases) {
    const plan = planFor(slidingWindow({left: 200}), problemFor(long, {headDim: 1, valueDim}), device, 'fused');
    for (let headDim = 1; headDim <= 256; headDim++) {
      for (const mask of ['interval', 'bits'] as const)
        yield kernelShape({...plan, problem: {...plan.problem, headDim}}, PLAIN, {...REGULAR, mask});
    }
  }
}

/** Programs of every kind: the corpus, with and without options, and mask tensors. */
function allPrograms(): Program[] {
  const programs = new Map<string, Program>();
  const add = (launches: readonly Launch[]): void => launches.forEach(({program}) => programs.set(program.code, program));
  for (const device of [CORE_DEVICE, SOFTWARE_DEVICE]) {
    for (const features of [PLAIN, {...PLAIN, bias: true}, EVERYTHING]) {
      for (const each of CORPUS) add(compile(each.pattern, problemOfCase(each), device, {...each, features}).launches);
      for (const headDim of [1, 3, 16, 32, 64, 80, 96, 128, 256]) {
        for (const implementation of ['fused', 'dense'] as const) {
          add(
            compile(causal(), problemFor({queryLength: 8192, keyLength: 500, queryOffset: 0}, {headDim}), device, {
              implementation,
              features,
            }).launches,
          );
        }
        const problem = problemFor({queryLength: 50, keyLength: 70, queryOffset: 0}, {headDim});
        for (const keys of [70, 1]) add(compileMaskTensor(problem, device, [1, 1, 50, keys], {features}).launches);
      }
    }
  }
  return [...programs.values()];
}

describe('program keys', () => {
  const programs = allPrograms();

  it('are equal exactly where the texts are', () => {
    expect(programs.length).toBeGreaterThan(50);
    expect(new Set(programs.map(({key}) => key)).size).toBe(programs.length);
    expect(programs.filter(({name, key, code}) => key !== `${name}:${hash(code)}`)).toEqual([]);
  });

  it('stay the same when lengths, windows, heads and batches change', () => {
    const keysOf = (left: number, length: number, heads: number): string[] =>
      compile(
        slidingWindow({left}),
        problemFor({queryLength: length, keyLength: length + 3, queryOffset: 0}, {heads, batch: heads}),
        SOFTWARE_DEVICE,
        {
          implementation: 'fused',
        },
      ).launches.map(({program}) => program.key);
    const [first, ...others] = [keysOf(3, 10, 1), keysOf(100, 777, 4), keysOf(0, 33, 2), keysOf(Infinity, 64, 3)];
    for (const other of others) expect(other).toEqual(first!);
  });

  it('stay the same from a window to any other pattern of the same sizes', () => {
    const problem = problemFor({queryLength: 64, keyLength: 64, queryOffset: 0});
    const keys = [causal(), strided({stride: 4}), slidingWindow({left: 2, right: 2, dilation: 3})].flatMap((pattern) =>
      compile(pattern, problem, CORE_DEVICE, {implementation: 'fused'}).launches.map(({program}) => program.key),
    );
    expect(new Set(keys).size).toBe(1);
  });

  it('number at most 8 over the whole benchmark', () => {
    const keys = new Set<string>();
    for (const {pattern} of PATTERNS) {
      for (const length of [1024, 4096, 16384]) {
        const problem = problemFor({queryLength: length, keyLength: length, queryOffset: 0}, {heads: 8, headDim: 64});
        for (const {program} of compile(pattern, problem, CORE_DEVICE).launches) keys.add(program.key);
      }
    }
    expect(keys.size).toBeLessThanOrEqual(8);
  });

  it('differ where one character does', () => {
    expect(hash('let a = 1.0;')).not.toBe(hash('let a = 1.1;'));
    expect(hash('')).toMatch(/^[0-9a-z]+$/);
  });
});

describe('what every device has', () => {
  const programs = allPrograms();

  it('is enough storage buffers: 8, with a bias and a mask tensor too', () => {
    const most = programs.map(({bindings}) => bindings.filter((role) => role !== 'params').length);
    expect(Math.max(...most)).toBe(8);
  });

  it('is enough invocations: 256 a workgroup', () => {
    expect(Math.max(...programs.map(({invocations}) => invocations))).toBeLessThanOrEqual(256);
    for (const {code, invocations} of programs) expect(code).toContain(`@workgroup_size(${invocations})`);
  });

  it('is enough workgroup memory: 16 KB, for every headDim and valueDim', () => {
    let most = 0;
    for (const {memory} of allShapes()) most = Math.max(most, 16 * memory);
    expect(most).toBeLessThanOrEqual(16384);
    expect(most).toBeGreaterThan(12000);
  });

  it('holds what each program says it holds', () => {
    for (const {code, workgroupBytes} of programs) {
      const declared = [...code.matchAll(/var<workgroup> \w+: array<vec4f, (\d+)>/g)].reduce(
        (sum, [, length]) => sum + 16 * Number(length),
        0,
      );
      expect(declared).toBe(workgroupBytes);
    }
  });

  it('is core WGSL: no directives', () => {
    for (const {code} of programs) expect(code).not.toMatch(/^\s*(enable|requires|diagnostic)\b/m);
  });
});

describe('bindings', () => {
  it('are declared in the order that the program names them', () => {
    for (const {code, bindings, writes} of allPrograms()) {
      const declared = [...code.matchAll(/@group\(0\) @binding\((\d+)\) var<(uniform|storage, read|storage, read_write)> (\w+):/g)];
      expect(declared.map(([, index, access, role]) => [Number(index), access, role])).toEqual(
        bindings.map((role, index) => [
          index,
          role === 'params' ? 'uniform' : writes.includes(role) ? 'storage, read_write' : 'storage, read',
          role,
        ]),
      );
    }
  });
});

describe('the attention kernel', () => {
  it('tests no mask in full tiles: whatever hides a pair stands behind the test for a partial one', () => {
    const attend = allPrograms().filter(
      ({name, code, bindings}) => name.endsWith('attend') && !code.includes('schedule[bits') && !bindings.includes('bias'),
    );
    expect(attend.length).toBeGreaterThan(5);
    for (const {code} of attend) {
      const [before, after] = code.split('if (y0 < full.x || y0 + KEYS > full.y) {') as [string, string];
      const partial = after.slice(0, closing(after));
      expect(partial).toContain('schedule[intervals');
      const rest = before + after.slice(partial.length);
      expect(rest.match(/HIDDEN/g)).toEqual(['HIDDEN']); // its declaration
      expect(rest).not.toContain('schedule[intervals');
    }
  });

  it('stages the fewest steps that fit', () => {
    const shapeOf = (headDim: number): KernelShape =>
      kernelShape(planFor(causal(), problemFor(long, {headDim, valueDim: headDim}), CORE_DEVICE), PLAIN);
    expect(shapeOf(64).keyColumns).toHaveSize(1);
    expect(shapeOf(128).keyColumns).toHaveSize(2);
    for (const headDim of [1, 64, 80, 96, 128]) {
      const {keyColumns} = shapeOf(headDim);
      expect(keyColumns.reduce((sum, {count}) => sum + count, 0)).toBe(Math.ceil(headDim / 4));
    }
  });
});

/** Where the block that `text` begins in ends. */
function closing(text: string): number {
  for (let at = 0, depth = 1; at < text.length; at++) {
    if (text[at] === '{') depth++;
    if (text[at] === '}' && --depth === 0) return at;
  }
  throw new Error('the block does not end');
}

describe('the uniform', () => {
  const each = corpusCase('three-strides');
  const problem = {...problemOfCase(each), heads: 2, batch: 3};
  // A pass for each stride, as on devices where a dispatch costs little.
  const compiled = compile(each.pattern, problem, {...CORE_DEVICE, gpu: {dispatchMs: 1e-9}}, each);
  const paramsOf = (launch: Launch, call: Parameters<Launch['params']>[0] = {scale: 1}): Record<string, number | number[]> =>
    readStruct(launch.params(call), structLayout(launch.program.code, 'Params'));

  it('says to each launch where the plan has its part', () => {
    const {plan, launches} = compiled;
    expect(plan.passes).toHaveSize(3);
    const attends = launches.filter(({program}) => program.name === 'SparseAttention.attend');
    expect(attends).toHaveSize(3);
    attends.forEach((launch, index) => {
      const {itemBegin, itemEnd} = plan.passes[index]!;
      const {queryLength, keyLength} = problem;
      const CONTINUES = 1;
      const KEEPS_SUM = 2;
      expect(paramsOf(launch)).toEqual(
        jasmine.objectContaining({
          queryLength,
          keyLength,
          heads: 2,
          flags: (index > 0 ? CONTINUES : 0) | (index < 2 ? KEEPS_SUM : 0),
          first: plan.offsets.items + ITEM.pairs * itemBegin,
          spans: plan.offsets.spans,
          intervals: plan.offsets.intervals,
          slots: plan.slots,
          slotBase: 0,
        }),
      );
      expect(launch.grid).toEqual([2, itemEnd - itemBegin, 3]);
    });
  });

  it('carries the scale in units of log2, and the strides of a bias', () => {
    const {scale} = paramsOf(compiled.launches[0]!, {scale: 0.25});
    expect(scale).toBeCloseTo(0.25 * Math.LOG2E, 6);
    const {launches} = compile(causal(), problem, CORE_DEVICE, {features: {...PLAIN, bias: true}});
    expect(paramsOf(launches[0]!, {scale: 0.25, biasStrides: [7, 5, 3, 1]})['biasStrides']).toEqual([7, 5, 3, 1]);
    expect(paramsOf(launches[0]!)['biasStrides']).toEqual([0, 0, 0, 0]);
  });

  it('carries the numbers of all terms, and where their tensors lie, each where the struct of the kernel has it', () => {
    const {plan, tail, launches} = compile(causal(), problem, CORE_DEVICE, {features: {...EVERYTHING, ring: false}});
    const call = {scale: 1, softcap: 32, biasStrides: [7, 5, 3, 1], relativeHeads: 2, dropout: 0.75, seed: 0} as const;
    const attend = launches.find(({program}) => program.name === 'SparseAttention.attend')!;
    expect(paramsOf(attend, call)).toEqual(
      jasmine.objectContaining({
        ...{biasStrides: [7, 5, 3, 1], softcap: 2, relativeStride: problem.queryLength + problem.keyLength - 1},
        ...{seed: 0, dropped: 0.75 * 2 ** 32, keptScale: 4},
        ...Object.fromEntries(tail.gathered.map(({role, at}) => [role, at])),
      }),
    );
    const {heads, batch, queryLength, keyLength} = problem;
    const words = tail.gathered.reduce((sum, {words}) => sum + words, 0);
    expect(words).toBe(2 * heads + batch * (1 + queryLength + keyLength) + heads * (queryLength + keyLength - 1));
    expect(tail.gathered[0]!.at).toBe(plan.schedule.length / 2 + tail.maskPairs);
    expect(tail.pairs).toBe(plan.schedule.length / 2 + tail.maskPairs + words);
  });

  it('has strides of 0 where a mask tensor is broadcast', () => {
    const sizes = problemFor({queryLength: 20, keyLength: 70, queryOffset: 0}, {batch: 2, heads: 3});
    const strides = (shape: readonly [number, number, number, number]): unknown => {
      const launch = compileMaskTensor(sizes, CORE_DEVICE, shape).launches[1]!;
      return readStruct(launch.params({scale: 1}), structLayout(launch.program.code, 'Params'))['maskStrides'];
    };
    expect(strides([2, 3, 20, 70])).toEqual([120, 40, 2, 0]);
    expect(strides([2, 1, 20, 70])).toEqual([40, 0, 2, 0]);
    expect(strides([1, 3, 1, 70])).toEqual([0, 2, 0, 0]);
    expect(strides([1, 1, 1, 1])).toEqual([0, 0, 0, 0]);
  });

  it('has room for the struct of a call that brings everything', () => {
    const {launches} = compile(causal(), problem, CORE_DEVICE, {features: EVERYTHING});
    for (const {program, params} of launches) {
      const {offset} = structLayout(program.code, 'Params').at(-1)!;
      expect(offset + 4).toBeLessThanOrEqual(params({scale: 1}).byteLength);
    }
  });
});

describe('the schedule', () => {
  it('has words that the table of formats alone numbers: no kernel spells an address', async () => {
    const files = (await readdir('src/wgsl', {recursive: true})).filter((name) => name.endsWith('.ts'));
    for (const name of files) {
      const text = await readFile(`src/wgsl/${name}`, 'utf8');
      // Of a record in any kernel; and steps from one record to the next.
      expect(text.match(/schedule\[(item|span|visit|merge)\b.*/g))
        .withContext(name)
        .toBeNull();
      // Of what a cache holds, beside its writer.
      if (name !== 'text/held.ts')
        expect(text.match(/schedule\[(params\.held|sequenceAt).*/g))
          .withContext(name)
          .toBeNull();
      expect(text.match(/params\.(first|spans) \+ \d.*/g))
        .withContext(name)
        .toBeNull();
    }
    expect(files.length).toBeGreaterThan(30);
  });

  it('has words that the table of formats alone numbers: planners and runtime name them', async () => {
    const files = (await readdir('src', {recursive: true})).filter((name) => /^(plan|runtime)\/.*[.]ts$/.test(name));
    for (const name of files.filter((each) => each !== 'plan/format.ts')) {
      const text = await readFile(`src/${name}`, 'utf8');
      expect(text.match(/\b(data|schedule|words)\[[^\]]*\+ \d+\].*/g))
        .withContext(name)
        .toBeNull();
    }
    expect(files.length).toBeGreaterThan(90);
  });

  it('has records of four pairs, which is what the kernels step by', () => {
    for (const {pairs} of [ITEM, SPAN, MERGE, KEY_ITEM, VISIT, KEY_MERGE]) expect(pairs).toBe(4);
    const {launches} = compile(...longRows());
    const [attend, merge] = [launches[0]!.program.code, launches[1]!.program.code];
    expect(attend).toContain('params.first + 4u * group.y');
    expect(attend).toContain('params.spans + 4u * u32(number)');
    expect(merge).toContain('params.first + 4u * (group.y / 1u)');
  });

  it('is merged by as many workgroups as its rows have columns for', () => {
    const [pattern, problem] = longRows();
    const {launches, plan} = compile(pattern, {...problem, valueDim: 100}, CORE_DEVICE);
    const merges = plan.passes[0]!.mergeEnd - plan.passes[0]!.mergeBegin;
    expect(launches[1]!.grid).toEqual([2, merges * Math.ceil(plan.tile.rows / Math.floor(256 / 25)), 1]);
  });

  function longRows(): [ReturnType<typeof corpusCase>['pattern'], Plan['problem'], Device] {
    const each = corpusCase('long-rows');
    return [each.pattern, problemOfCase(each), CORE_DEVICE];
  }
});

describe('text', () => {
  it('is indented by its braces', () => {
    expect(indent('fn f() {\nif (x) {\ny();\n} else {\nz(\na);\n}\n}')).toBe(
      'fn f() {\n  if (x) {\n    y();\n  } else {\n    z(\n      a);\n  }\n}\n',
    );
  });

  it('combines terms as a balanced tree', () => {
    expect(tree(['a', 'b', 'c', 'd', 'e'], (x, y) => `(${x}${y})`)).toBe('((ab)(c(de)))');
  });
});
