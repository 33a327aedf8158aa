import type {io} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {choicesOf, readable, SAMPLES, tail} from '../../demo/model/samples.js';
import {lengthsMarkdown, tableOf, type LengthRow} from '../../demo/model/table.js';
import {describe as describeAdapter} from '../../demo/shell/adapter.js';
import {denseMisfit} from '../../demo/shell/dense_limits.js';
import {bytes, duration, factor, percent, rate} from '../../demo/shell/format.js';
import {binaryTicks, decimalTicks} from '../../demo/shell/ticks.js';
import type {Row} from '../../demo/speed/measure.js';
import {json, linesOf, markdown, verdicts, type Setting} from '../../demo/speed/results.js';
import {callsOf, isAffordable, lengthsUpTo, paceOf} from '../../demo/speed/sizes.js';
import {makeEncoder} from '../../demo/swap/example_model.js';
import {planInputs} from '../../demo/swap/inputs.js';
import {compare, runVerdicts, type Outcome} from '../../demo/swap/outcomes.js';
import {analyse, foldLines, reportVerdicts, stagesOf} from '../../demo/swap/report.js';
import {describeSource, fromFiles} from '../../demo/swap/source.js';
import {full} from '../../src/index.js';

describe('the words for a GPU', () => {
  const words = (info: object): string => describeAdapter(info as GPUAdapterInfo, {} as GPUSupportedLimits).where;

  it('are its own, and say when the processor plays it', () => {
    expect(words({vendor: 'nvidia', architecture: 'hopper', description: ''})).toBe('nvidia hopper');
    expect(words({vendor: 'nvidia', architecture: 'hopper', description: 'NVIDIA H200'})).toBe('NVIDIA H200');
    expect(words({vendor: 'google', architecture: 'swiftshader'})).toBe(
      'google swiftshader: software, the processor plays the GPU',
    );
  });

  it('are sentences where the browser has none', () => {
    // As Firefox says it.
    const unnamed = {vendor: '', architecture: '', device: 'unknown', description: ''};
    expect(words(unnamed)).toBe('a GPU that this browser does not name');
    expect(words({...unnamed, isFallbackAdapter: true})).toBe('a processor that plays the GPU');
    expect(words({vendor: 'unknown', architecture: 'unknown', description: 'Unknown'})).toBe(
      'a GPU that this browser does not name',
    );
  });
});

describe('numbers on pages', () => {
  it('have two digits and a unit that suits them', () => {
    expect([0.0234, 0.826, 41.3, 412, 1380, 41_000].map(duration)).toEqual([
      '0.023 ms',
      '0.83 ms',
      '41 ms',
      '412 ms',
      '1.4 s',
      '41 s',
    ]);
    expect([12, 655_360, 2.1 * 2 ** 30].map(bytes)).toEqual(['12 B', '640 KiB', '2.1 GiB']);
    expect([0.311, 3.42, 12.3, 4321].map(factor)).toEqual(['0.31×', '3.4×', '12×', '4,321×']);
    expect([0.0625, 0.000031].map(percent)).toEqual(['6.25 %', '0.0031 %']);
    expect([1234.4, 3.14].map((value) => rate(value, 'bytes'))).toEqual(['1,234 bytes/s', '3.1 bytes/s']);
  });

  it('stand at ascending marks inside the axis, three or more wherever it spans a factor of 1.5', () => {
    const range = fc.tuple(fc.double({min: 1e-3, max: 1e9, noNaN: true}), fc.double({min: 1.5, max: 1e6, noNaN: true}));
    fc.assert(
      fc.property(range, ([least, ratio]) => {
        const ticks = decimalTicks(least, least * ratio);
        expect(ticks.length).toBeGreaterThanOrEqual(3);
        expect(ticks.every((tick, i) => tick >= least && tick <= least * ratio && (i === 0 || tick > ticks[i - 1]!))).toBeTrue();
      }),
    );
    expect(decimalTicks(3, 40)).toEqual([3, 10, 30]);
    expect(binaryTicks(800 * 1024, 9 * 2 ** 20)).toEqual([2 ** 20, 2 ** 21, 2 ** 22, 2 ** 23]);
  });
});

describe('the sizes of the speed page', () => {
  it('double from the shortest to the longest', () => {
    expect(lengthsUpTo(256, 4096)).toEqual([256, 512, 1024, 2048, 4096]);
    expect(lengthsUpTo(256, 255)).toEqual([]);
  });

  it('stop where the pairs predict too long a call', () => {
    expect(isAffordable(undefined, 1e9, 100)).toBeTrue();
    expect(isAffordable({ms: 20, pairs: 1000}, 4000, 100)).toBeTrue();
    expect(isAffordable({ms: 30, pairs: 1000}, 4000, 100)).toBeFalse();
  });

  it('make rounds last as long as asked, with one call at least', () => {
    expect([0.001, 1, 39, 500].map((ms) => callsOf(ms, 40))).toEqual([100, 40, 1, 1]);
  });

  it('are smaller on a processor, and tiny where a test waits', () => {
    const longest = [paceOf(false, false), paceOf(true, false), paceOf(true, true)].map((pace) => pace.longest);
    expect(longest).toEqual([16384, 1024, 128]);
    expect(choicesOf(true, true).sweep.at(-1)).toBeLessThan(choicesOf(true, false).sweep.at(-1)!);
  });

  it('leave dense attention out where TensorFlow.js would return garbage', () => {
    expect(denseMisfit(8, 4096, 2 ** 31)).toBeNull();
    expect(denseMisfit(8, 4096, 2 ** 27)).toContain('512 MiB');
    expect(denseMisfit(16, 4096, 2 ** 31)).toContain('65,536');
  });
});

describe('the results of the speed page', () => {
  const row = (system: string, n: number, ms: number | null, reason: string | null = null): Row => ({
    ...{system, n, ms, reason, rounds: 7, callsPerRound: 3, bytes: 2048, density: 0.25},
    maxError: ms === null ? null : 1e-7,
  });
  const rows = [row('dense', 256, 4), row('window', 256, 1), row('dense', 512, null, 'does not fit: much'), row('window', 512, 2)];
  const setting: Setting = {
    date: '2026-11-20',
    gpu: 'a GPU',
    backend: 'webgpu',
    browser: 'a browser',
    heads: 8,
    headDim: 64,
    tfjs: '4.22.0',
  };

  it('are a line for each length, with what each system took', () => {
    expect(linesOf(rows).map(({n, cells}) => [n, ...cells.map(({time, ratio}) => `${time} ${ratio}`.trim())])).toEqual([
      [256, '4 ms', '1 ms 4.0×'],
      [512, 'does not fit: much', '2 ms'],
    ]);
  });

  it('can be pasted as Markdown and as JSON', () => {
    const text = markdown(setting, rows);
    expect(text).toContain(
      '| n | tfjs dense | window |\n| --- | ---: | ---: |\n| 256 | 4 ms | 1 ms (4.0×) |\n| 512 | does not fit | 2 ms |',
    );
    expect(text).toContain('2026-11-20, a GPU (webgpu), 8 heads of 64');
    expect(JSON.parse(json(setting, rows)).rows).toEqual(JSON.parse(JSON.stringify(rows)));
  });

  it('are put in sentences, a wrong answer first of all', () => {
    const said = verdicts(rows, 1e-5).map(({state, text}) => `${state}: ${text}`);
    expect(said[0]).toMatch(/^good: Every answer is right/);
    expect(said[1]).toContain('At n = 256, window (25 % of the pairs) takes 1 ms: 4.0× faster than dense');
    expect(said[2]).toContain('From n = 512 on dense attention does not fit');
    expect(verdicts([{...rows[0]!, maxError: 0.1}], 1e-5)[0]!.state).toBe('bad');
  });
});

describe('the inputs that the swap page makes', () => {
  it('have the sizes of the signature, the asked length where those are open', () => {
    const plans = planInputs(
      [
        {name: 'input_ids:0', dtype: 'int32', shape: [-1, -1]},
        {name: 'attention_mask:0', dtype: 'int32', shape: [-1, -1]},
        {name: 'token_type_ids', dtype: 'int32', shape: [2, 7]},
        {name: 'pixels', dtype: 'float32', shape: [-1, 3, 224, 224]},
        {name: 'flag', dtype: 'bool', shape: []},
      ],
      128,
    );
    expect(plans.map(({shape, filling}) => [shape.join(), filling])).toEqual([
      ['1,128', 'ids'],
      ['1,128', 'ones'],
      ['2,7', 'zeros'],
      ['1,3,224,224', 'normal'],
      ['', 'ones'],
    ]);
  });

  it('are refused where nothing is known', () => {
    expect(() => planInputs([{name: 'x', dtype: 'float32'}], 8)).toThrowError(/what shape its input 'x' has/);
    expect(() => planInputs([{name: 'x', dtype: 'string', shape: [1]}], 8)).toThrowError(/is string/);
  });
});

describe('the files that the swap page takes', () => {
  const {weightSpecs, weightData, ...rest} = makeEncoder({layers: 1, heads: 2, headDim: 4, mlp: 8, positions: 16});
  const half = weightData.byteLength / 2;
  const json = JSON.stringify({...rest, weightsManifest: [{paths: ['a/one.bin', 'two.bin'], weights: weightSpecs}]});
  const model = new File([json], 'model.json');
  const shards = [new File([weightData.slice(half)], 'two.bin'), new File([weightData.slice(0, half)], 'one.bin')];

  it('are joined in the order of the manifest, however they were chosen', async () => {
    const source = await fromFiles([shards[0]!, model, shards[1]!, new File(['{}'], 'tokenizer.json')]);
    expect(source.missing).toEqual([]);
    const data = new Blob([source.artifacts.weightData as io.WeightData].flat() as ArrayBuffer[]);
    expect(new Uint8Array(await data.arrayBuffer())).toEqual(new Uint8Array(weightData));
    expect(describeSource(source)).toMatch(/^\d+ nodes, .* of weights$/);
  });

  it('may lack weights, and that is said', async () => {
    const source = await fromFiles([model, shards[0]!]);
    expect(source.missing).toEqual(['a/one.bin']);
    expect(source.artifacts.weightData).toBeUndefined();
    expect(describeSource(source)).toContain('without weights: a/one.bin is missing');
  });

  it('are refused with what is wrong', async () => {
    await expectAsync(fromFiles([new File(['hello'], 'model.json')])).toBeRejectedWithError(/is no JSON/);
    await expectAsync(fromFiles([new File(['{}'], 'model.json')])).toBeRejectedWithError(/no modelTopology/);
    await expectAsync(fromFiles(shards)).toBeRejectedWithError(/no model.json among the 2 files/);
    await expectAsync(fromFiles([model, new File([json], 'other.json')])).toBeRejectedWithError(/2 models/);
  });
});

describe('the verdicts of the swap page', () => {
  const outcome = (name: Outcome['name'], values: number[], ms: number | null = 8): Outcome => ({
    ...{name, ms, firstMs: 9, peak: 1024, reason: ms === null ? 'out of memory' : null},
    values: Float32Array.from(values),
  });

  it('take rounding for rounding and a wrong number for wrong', () => {
    expect(compare(Float32Array.of(1, 2), Float32Array.of(1, 2.0001)).agrees).toBeTrue();
    expect(compare(Float32Array.of(1, 2), Float32Array.of(1, 2.01)).agrees).toBeFalse();
    expect(compare(Float32Array.of(1, 2), Float32Array.of(1)).agrees).toBeFalse();
  });

  it('blame a swap that changes the answers or breaks, but not the model for being too large', () => {
    const states = (outcomes: Outcome[]): string[] => runVerdicts(outcomes).map(({state}) => state);
    const sparse = outcome('folded, pattern', [1, 3], 2);
    const run = (asIs: Outcome, swapped: Outcome, folded: Outcome): string[] => states([asIs, swapped, folded, sparse]);
    const asIs = outcome('as it is', [1, 2]);
    const [swapped, folded] = [outcome('swapped, full()', [1, 2]), outcome('folded, full()', [1, 2], 4)];
    expect(run(asIs, swapped, folded)).toEqual(['good', 'good', 'open', 'open']);
    expect(run(asIs, outcome('swapped, full()', [1, 1]), folded)).toEqual(['bad', 'good', 'open', 'open']);
    expect(run(asIs, swapped, outcome('folded, full()', [1, 1]))).toEqual(['good', 'bad', 'open', 'open']);
    expect(run(outcome('as it is', [], null), swapped, folded)).toEqual(['open']);
    expect(run(asIs, outcome('swapped, full()', [], null), folded)).toEqual(['bad', 'good', 'open', 'open']);
    const said = runVerdicts([asIs, swapped, folded, sparse]).map(({text}) => text);
    expect(said[2]).toBe(
      'The same numbers, swapped and folded: 2.0× faster, neither less memory nor more memory (4 ms instead of 8 ms, 1.0 KiB instead of 1.0 KiB).',
    );
    expect(said[3]).toContain('With the pattern: 4.0× faster');
    const withCapture = (captured: Outcome): string => {
      const {state, text} = runVerdicts([asIs, swapped, folded, sparse, captured]).at(-1)!;
      return `${state}: ${text}`;
    };
    expect(withCapture(outcome('captured, pattern', [1, 3], 1))).toContain(
      'open: Captured and replayed: the same numbers, and 8.0× faster',
    );
    expect(withCapture(outcome('captured, pattern', [1, 3.0001], 1))).toContain('bad: Captured and replayed: other numbers');
    expect(states([asIs, swapped, folded, sparse, outcome('captured, pattern', [], null)])[0]).toBe('open');
  });
});

describe('what the swap page says of nodes', () => {
  const artifacts = makeEncoder({layers: 2, heads: 2, headDim: 4, mlp: 8, positions: 16}) as io.ModelArtifacts;
  const analysis = analyse(artifacts, full());

  it('counts them as the model is, swapped and folded, as the report does', () => {
    const stages = stagesOf(analysis);
    expect(stages.map(({name}) => name)).toEqual(['as it is', 'attention swapped', 'and folded']);
    const [asIs, swapped, folded] = stages.map(({nodes}) => nodes) as [number, number, number];
    expect([swapped, folded]).toEqual([analysis.report.folded!.before, analysis.report.folded!.after]);
    expect(asIs).toBeGreaterThan(swapped);
    expect(swapped).toBeGreaterThan(folded);
    const text = `A run executes ${folded} nodes in place of ${asIs}: ${asIs - swapped} fewer by the swap, ${swapped - folded} by folding`;
    expect(reportVerdicts(analysis, true, 8).some((verdict) => verdict.text.startsWith(text))).toBeTrue();
  });

  it('has a line for each kind of fold', () => {
    const lines = foldLines(analysis.report);
    expect(lines.length).toBe(analysis.report.folded!.folds.length);
    expect(lines.find(({kind}) => kind === 'layer norm')!.happens).toBe('5 remain');
    expect(lines.find(({kind}) => kind === 'shape arithmetic')!.happens).toMatch(/^\d+ gone$/);
  });

  it('is nothing of folds where a model has no weights', () => {
    const bare = analyse({...artifacts, weightData: undefined}, full());
    expect(stagesOf(bare)).toEqual([{name: 'as it is', nodes: analysis.nodes}]);
    expect(foldLines(bare.report)).toEqual([]);
  });
});

describe('the model page', () => {
  it('cuts text between characters', () => {
    const text = new TextEncoder().encode('aé→b');
    expect([1, 2, 4, 5, 6, 99].map((most) => readable(tail(text, most)))).toEqual(['b', 'b', '→b', '→b', 'é→b', 'aé→b']);
    expect(readable(text.subarray(0, 2))).toBe('a');
  });

  it('has a sample to begin with, and one that needs no fetching', () => {
    expect(SAMPLES.some(({text}) => text !== undefined && text.length > 0)).toBeTrue();
  });

  it('tables what both took at each length', () => {
    const row = (context: number, mode: LengthRow['mode'], byteMs: number): LengthRow => ({
      ...{context, mode, byteMs},
      firstMs: 10 * byteMs,
      cacheBytes: 1024,
    });
    const rows = [row(512, 'sparse', 2), row(512, 'dense', 8), row(1024, 'sparse', 2), row(1024, 'dense', 16)];
    expect(tableOf(rows)[2]).toEqual(['1,024', '2 ms', '16 ms', '8.0×', '20 ms', '160 ms', '1.0 KiB', '1.0 KiB']);
    expect(lengthsMarkdown(rows, 'here, today')).toMatch(/^\| context \|[\s\S]*\| 1,024 \|.*\n\nhere, today$/);
  });
});
