import fc from 'fast-check';
import {causal} from '../../src/pattern/index.js';
import {compile, CORE_DEVICE, type Launch, type Within} from '../../src/pure.js';
import {PARAMS} from '../../src/wgsl/text/params.js';
import {problemFor} from '../support/plans.js';
import {readStruct, structLayout} from '../support/wgsl_layout.js';

const members = structLayout(PARAMS, 'Params');

type Strides = readonly [head: number, row: number, sequence: number, first: number];

/** Where rows lie, as kernels reckon it: modulo 2^32. */
const at = ([head, row, sequence, first]: Strides, b: number, h: number, l: number): number =>
  (b * sequence + h * head + l * row + first) >>> 0;

interface Places {
  readonly query: Strides;
  readonly key: Strides;
  readonly value: Strides;
  readonly output: readonly [number, number];
}

function placesOf({params}: Launch, call: Parameters<Launch['params']>[0]): Places {
  const read = readStruct(params(call), members);
  const key = read['keyStrides'] as unknown as Strides;
  return {
    query: read['queryStrides'] as unknown as Strides,
    key,
    value: [key[0], key[1], key[2], key[3] + (read['valuesBehind'] as number)],
    output: read['outputStrides'] as unknown as [number, number],
  };
}

const SIZES = fc.record({
  batch: fc.integer({min: 1, max: 3}),
  keyHeads: fc.integer({min: 1, max: 3}),
  group: fc.integer({min: 1, max: 3}),
  queryLength: fc.integer({min: 1, max: 9}),
  keyLength: fc.integer({min: 1, max: 9}),
});

/** For every row of a tensor. */
function everyRow([batch, heads, length]: readonly [number, number, number], see: (b: number, h: number, l: number) => void): void {
  for (let b = 0; b < batch; b++) for (let h = 0; h < heads; h++) for (let l = 0; l < length; l++) see(b, h, l);
}

describe('strides of a call', () => {
  for (const precision of ['float32', 'float16'] as const)
    it(`are those of its tensors, and of larger ones that hold them: ${precision}`, () => {
      fc.assert(
        fc.property(
          SIZES,
          fc.constantFrom('bhld' as const, 'blhd' as const),
          fc.array(fc.nat(6), {minLength: 5, maxLength: 5}),
          fc.boolean(),
          ({batch, keyHeads, group, queryLength, keyLength}, layout, [before, behind, lead, gap, tail], turned) => {
            const heads = keyHeads * group;
            const shape = {queryLength, keyLength, queryOffset: 0};
            const problem = problemFor(shape, {batch, heads, keyHeads, headDim: 8});
            const {launches} = compile(causal(), problem, CORE_DEVICE, {precision, implementation: 'dense'});
            const kernel = launches.at(-1)!;
            const index = (b: number, h: number, l: number, count: number, length: number): number =>
              layout === 'bhld' ? (b * count + h) * length + l : (b * length + l) * count + h;
            const plain = placesOf(kernel, {scale: 1, layout});
            everyRow([batch, heads, queryLength], (b, h, l) => {
              expect(at(plain.query, b, h, l)).toBe(index(b, h, l, heads, queryLength));
              expect(b * heads * queryLength + h * plain.output[0] + l * plain.output[1]).toBe(index(b, h, l, heads, queryLength));
            });
            everyRow([batch, keyHeads, keyLength], (b, h, l) => {
              expect(at(plain.key, b, h, l)).toBe(index(b, h, l, keyHeads, keyLength));
              expect(at(plain.value, b, h, l)).toBe(at(plain.key, b, h, l));
            });

            const [one, other] = [lead!, lead! + keyHeads + gap!];
            const within: Within = {
              queryRows: before! + heads + behind!,
              queryFirst: before!,
              keyRows: other + keyHeads + tail!,
              keyFirst: turned ? other : one,
              valueFirst: turned ? one : other,
            };
            // Copies hold nothing else, and the output never does.
            const call = {scale: 1, layout: 'blhd', within} as const;
            if (precision === 'float16') expect(placesOf(kernel, call)).toEqual(placesOf(kernel, {scale: 1, layout: 'blhd'}));
            const read = placesOf(launches[0]!, call);
            everyRow([batch, heads, queryLength], (b, h, l) => {
              expect(at(read.query, b, h, l)).toBe((b * queryLength + l) * within.queryRows + before! + h);
            });
            everyRow([batch, keyHeads, keyLength], (b, h, l) => {
              const token = (b * keyLength + l) * within.keyRows;
              expect(at(read.key, b, h, l)).toBe(token + within.keyFirst + h);
              expect(at(read.value, b, h, l)).toBe(token + within.valueFirst + h);
            });
            expect(read.output).toEqual([1, heads]);
          },
        ),
        {numRuns: 60, seed: 20261130},
      );
    });
});
