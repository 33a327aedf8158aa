import fc from 'fast-check';
import {difference} from '../../src/runtime/capture/comparison.js';
import type {Bound, Output, Recording, BoundSource, RecordedStep, Value} from '../../src/runtime/capture/recording.js';
import {planStorage, type LifeSpan} from '../../src/runtime/capture/storage.js';
import {packUniforms} from '../../src/runtime/capture/uniforms.js';

const spans = fc.array(
  fc.record({bytes: fc.integer({min: 1, max: 9}), first: fc.nat(20), length: fc.nat(8)}).map(({bytes, first, length}) => ({
    bytes: 4 * bytes,
    first,
    last: first + length,
  })),
  {maxLength: 40},
);

/** The most bytes that are needed in one step: no plan takes less. */
function leastBytes(all: readonly LifeSpan[]): number {
  const steps = Array.from({length: 30}, (_, step) => all.filter(({first, last}) => first <= step && step <= last));
  return Math.max(...steps.map((held) => held.reduce((sum, {bytes}) => sum + bytes, 0)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe('storage by last use', () => {
  it('gives every span room, and no two of one step the same buffer', () => {
    fc.assert(
      fc.property(spans, (all) => {
        const {buffers, places} = planStorage(all);
        all.forEach((span, i) => {
          expect(buffers[places[i]!]).toBeGreaterThanOrEqual(span.bytes);
          all.forEach((other, j) => {
            if (i !== j && places[i] === places[j]) expect(span.last < other.first || other.last < span.first).toBeTrue();
          });
        });
        const total = sum(buffers);
        expect(total).toBeGreaterThanOrEqual(leastBytes(all));
        expect(total).toBeLessThanOrEqual(sum(all.map(({bytes}) => bytes)));
        expect(new Set(places).size).toBe(buffers.length);
      }),
    );
  });

  it('takes three buffers for a chain of any length, with a residual', () => {
    const chain = Array.from({length: 100}, (_, i) => ({bytes: 400, first: i, last: i + (i % 10 === 0 ? 10 : 1)}));
    expect(planStorage(chain).buffers).toEqual([400, 400, 400]);
  });

  it('needs nothing for nothing', () => expect(planStorage([])).toEqual({buffers: [], places: []}));
});

describe('uniforms in one buffer', () => {
  const contents = fc.array(fc.uint8Array({minLength: 4, maxLength: 40}), {maxLength: 12});

  it('are where they are said to be, aligned, equal ones once', () => {
    fc.assert(
      fc.property(contents, fc.constantFrom(4, 32, 256), (all, alignment) => {
        const buffers = [...all, ...all].map((bytes) => Uint8Array.from(bytes).buffer);
        const {bytes, offsets} = packUniforms(buffers, alignment);
        for (const buffer of buffers) {
          const offset = offsets.get(buffer)!;
          expect(offset % alignment).toBe(0);
          expect(bytes.slice(offset, offset + buffer.byteLength)).toEqual(new Uint8Array(buffer));
        }
        expect(new Set(offsets.values()).size).toBe(new Set(all.map((bytes) => bytes.join())).size);
      }),
    );
  });
});

describe('two recordings', () => {
  const pipelines = [{label: 'a'}, {label: 'b'}] as GPUComputePipeline[];
  const buffer = {label: 'resident'} as GPUBuffer;
  const ids = [{}, {}];
  const value = (contents: number[] | null = null): Value => ({bytes: 8, contents: contents && Float32Array.from(contents)});
  const bound = (source: BoundSource): Bound => ({source, offset: 0, size: 8});
  const uniform = (...words: number[]): BoundSource => ({kind: 'uniform', contents: Int32Array.from(words).buffer});

  /** Two dispatches: a constant and an input make a value; it, a weight and a schedule make the output. */
  function recording(
    change: Partial<Record<'op' | 'pipeline' | 'grid' | 'weight' | 'input' | 'swap' | 'turn' | 'more' | 'shape', boolean>> = {},
    constant = [1, 2],
    numbers = 5,
  ): Recording {
    const [first, second, third] = [value(constant), value(), value()];
    const from = (...sources: BoundSource[]): readonly Bound[] => sources.map(bound);
    const held = (value: Value): BoundSource => ({kind: 'value', value});
    const step = (op: string, i: number, bindings: readonly Bound[]): RecordedStep => ({
      ...{op, pipeline: pipelines[i]!, bindings, writes: [0], grid: change.grid === true ? [2, 1, 1] : [1, 1, 1]},
      endsTurn: change.turn === true,
    });
    const steps = [
      step(
        change.op === true ? 'Sub' : 'Add',
        change.pipeline === true ? 1 : 0,
        from(held(second), held(first), {kind: 'input', input: change.input === true ? 1 : 0}, uniform(1, numbers)),
      ),
      step(
        'Mul',
        1,
        from(
          held(third),
          held(change.swap === true ? first : second),
          {kind: 'weight', id: ids[change.weight === true ? 1 : 0]!},
          {kind: 'resident', buffer},
          uniform(2),
        ),
      ),
    ];
    if (change.more === true) steps.push(step('Neg', 0, from(held(first), held(third), uniform(3))));
    const output: Output = {
      shape: [change.shape === true ? 1 : 2],
      dtype: 'float32',
      stored: 'float32',
      source: held(third) as Output['source'],
    };
    return {steps, outputs: [output, {...output, source: {kind: 'numbers', numbers: [numbers]}}], weights: new Map()};
  }

  it('are the same, whatever memory they had', () => expect(difference(recording(), recording())).toBeNull());

  it('differ in each thing', () => {
    const same = recording();
    const found = (['op', 'pipeline', 'grid', 'input', 'weight', 'swap', 'turn', 'more', 'shape'] as const).map((name) =>
      difference(same, recording({[name]: true})),
    );
    expect(found).toEqual([
      'dispatch 0, Add, then Sub',
      'dispatch 0, Add, is a program of another kind or size',
      'dispatch 0, Add, is a program of another kind or size',
      'dispatch 0, Add, has other inputs',
      'dispatch 1, Mul, has other inputs',
      'dispatch 1, Mul, has other inputs',
      'dispatch 0, Add, is submitted otherwise',
      'one of them goes on with Neg after 2 dispatches',
      'output 0 differs',
    ]);
    expect(difference(recording({more: true}), same)).toBe('one of them goes on with Neg after 2 dispatches');
    expect(difference(same, recording({}, [1, 3]))).toBe('dispatch 0, Add, has other numbers');
    expect(difference(same, recording({}, [1, -2]))).toBe('dispatch 0, Add, has other numbers');
    expect(difference(recording({}, [0, NaN]), recording({}, [0, NaN]))).toBeNull();
    expect(difference(recording({}, [0, 0]), recording({}, [0, -0]))).toBe('dispatch 0, Add, has other numbers');
    expect(difference(same, recording({}, [1, 2], 6))).toBe('dispatch 0, Add, has other numbers');
  });
});
