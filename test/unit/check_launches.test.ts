import {compress, oneLine} from '../../src/acsr/index.js';
import {causal, slidingWindow, strided} from '../../src/pattern/index.js';
import {
  checkGradientPlan,
  checkLaunches,
  compile,
  compileGradients,
  compileMaskTensor,
  compileStep,
  CORE_DEVICE,
  generateAppend,
  PLAIN,
  type Compiled,
  type Device,
  type Launch,
  type Launched,
  formatsOf,
} from '../../src/pure.js';
import {KEY_ITEM, VISIT} from '../../src/plan/index.js';
import {CORPUS, problemOfCase} from '../corpus.js';
import {handMadeGradients} from '../support/hand_made.js';
import {EVERYTHING, featuredDevice, MATRIX_16, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';

const NARROW: Device = {...CORE_DEVICE, maxWorkgroupsPerDimension: 3};
const held = {sinks: 2, ring: 62, sequences: [{tokens: 5, first: 4, row: 0, source: 1, deadEnd: 9, biasBase: 0}]};

/** A step of two sequences that each have rows of their own, or of one. */
function stepOf(sequences: 1 | 2, device: Device, precision: 'float32' | 'float16' = 'float32'): ReturnType<typeof compileStep> {
  const problem = problemFor({queryLength: 6, keyLength: 640, queryOffset: 634}, {batch: sequences, heads: 2, packedHeads: 3});
  const rows = [causal(), slidingWindow({left: 300})].slice(0, sequences);
  const lines = rows.map((pattern) => oneLine(compress(pattern, {queryLength: 2, keyLength: 640, queryOffset: 634})));
  const each = held.sequences[0]!;
  const all = {...held, sequences: Array.from({length: sequences}, () => each)};
  return compileStep(lines, problem, device, {features: {...PLAIN, alibi: true, sinks: true}, precision, held: all});
}

describe('the laws of launches', () => {
  it('hold for forward and backward passes of the corpus, in whole dispatches and in small ones', () => {
    for (const device of [CORE_DEVICE, SOFTWARE_DEVICE, NARROW])
      for (const each of CORPUS) {
        const forward = compile(each.pattern, problemOfCase(each), device, {...each, aux: 'rowSums'});
        checkLaunches(forward);
        checkLaunches(compileGradients(forward, false));
        for (const sums of [{kind: 'keys'}, {kind: 'pairs', shape: [1, 1, each.shape.queryLength, each.shape.keyLength]}] as const)
          checkLaunches(compileGradients(forward, true, sums));
      }
  });

  it('hold for every option, float16, tensor cores, mask tensors, wide features and backward passes in shares', () => {
    const problem = problemFor({queryLength: 500, keyLength: 500, queryOffset: 0}, {batch: 2, heads: 4, keyHeads: 2, headDim: 64});
    const pattern = slidingWindow({left: 70}).or(strided({stride: 16}));
    const devices = [CORE_DEVICE, NARROW, featuredDevice(MATRIX_16), {...CORE_DEVICE, maxBindingBytes: 2 ** 17}];
    for (const device of devices)
      for (const precision of ['float32', 'float16'] as const)
        for (const features of [PLAIN, EVERYTHING]) {
          const forward = compile(pattern, problem, device, {features, precision, aux: 'logSumExp', implementation: 'fused'});
          checkLaunches(forward);
          checkLaunches(compileGradients(forward, true));
          checkLaunches(compileMaskTensor(problem, device, [2, 1, 500, 500], {features, precision}));
          checkLaunches(compile(pattern, {...problem, headDim: 300}, device, {precision}));
        }
  });

  it('hold for steps of decoding, and for tokens that are appended alone', () => {
    for (const device of [CORE_DEVICE, SOFTWARE_DEVICE, NARROW])
      for (const precision of ['float32', 'float16'] as const) {
        for (const sequences of [1, 2] as const) checkLaunches(stepOf(sequences, device, precision));
        const shape = {headDim: 16, valueDim: 16, formats: formatsOf(precision), nativeHalves: false};
        checkLaunches(generateAppend(shape, {batch: 1, keyHeads: 1, capacity: 64, tokens: 9}, held));
      }
  });

  it('name what is wrong', () => {
    const problem = problemFor({queryLength: 400, keyLength: 400, queryOffset: 0}, {heads: 2});
    const right = compile(slidingWindow({left: 9}).or(strided({stride: 4})), problem, NARROW, {implementation: 'fused'});
    const {launches} = right;
    const attends = launches.flatMap((launch, i) => (launch.range === undefined ? [] : [i]));
    expect(attends.length).toBeGreaterThan(3);
    const [second] = [attends[1]!];
    const broken = (changes: Partial<Compiled>): Launched => ({...right, ...changes});
    const put = (at: number, change: (launch: Launch) => Launch | null): Launched => {
      const changed = launches.flatMap((launch, i) => (i === at ? (change(launch) ?? []) : launch));
      return broken({launches: Object.freeze(changed.map((launch) => Object.freeze(launch)))});
    };
    const range = (launch: Launch, changes: Partial<Launch['range'] & object>): Launch => ({
      ...launch,
      range: Object.freeze({...launch.range!, ...changes}),
    });
    const {begin} = launches[second]!.range!;
    const cases: readonly (readonly [Launched, RegExp])[] = [
      [broken({launches: [...launches]}), /^launches: launches: not frozen$/],
      [broken({workBytes: {...right.workBytes}}), /workBytes: not frozen/],
      [broken({workBytes: Object.freeze({...right.workBytes, scratch: 3})}), /scratch of 3 bytes/],
      [broken({tail: Object.freeze({...right.tail, held: 0})}), /what a cache holds from pair 0/],
      [
        put(second, (launch) => ({...launch, grid: Object.freeze([2, 65536, 1] as const)})),
        /launch \d+, .*attend: a grid of 2 × 65536 × 1/,
      ],
      [put(second, (launch) => ({...launch, params: () => new ArrayBuffer(16)})), /16 bytes of parameters, the struct has/],
      [put(second, (launch) => ({...launch, instead: {query: 'queryHalves'}})), /no buffer for queryHalves/],
      [put(second, (launch) => ({...launch, instead: {query: 'output'}})), /output is written and bound again/],
      [put(second, (launch) => ({...launch, grid: [2, 1, 1]})), /its grid is not frozen/],
      [put(second, () => null), new RegExp(`from \\d+, where ${begin} comes next`)],
      [put(second, (launch) => range(launch, {begin: begin - 1})), new RegExp(`from ${begin - 1}, where ${begin} comes next`)],
      [put(second, (launch) => range(launch, {end: 10_000})), /which is no part of a pass/],
      [put(second, (launch) => range(launch, {weight: 1})), /weigh 1, their tiles are/],
      [put(attends.at(-1)!, () => null), /ends at \d+ of pass 1|passes run/],
      [broken({launches: Object.freeze([...launches, ...launches])}), /a forward pass runs twice/],
      [broken({launches: Object.freeze([])}), /no dispatch over the items/],
    ];
    checkLaunches(right);
    for (const [launched, message] of cases)
      expect(() => checkLaunches(launched))
        .withContext(String(message))
        .toThrowError(message);
  });

  it('name what is wrong with key tiles', () => {
    const problem = problemFor({queryLength: 300, keyLength: 300, queryOffset: 0});
    const {gradients} = compileGradients(compile(causal(), problem, CORE_DEVICE, {aux: 'rowSums', implementation: 'fused'}), false);
    const {rows, keys} = gradients;
    const put = (section: 'items' | 'spans', word: number, value: number): (() => void) => {
      const schedule = rows.schedule.slice();
      schedule[2 * keys.offsets[section] + word] = value;
      return () => checkGradientPlan({...gradients, rows: {...rows, schedule}});
    };
    checkGradientPlan(gradients);
    expect(put('items', KEY_ITEM.at.firstKey, 1)).toThrowError(/^key tiles: key 1 has number|slot \d+ is summed for other keys/);
    expect(put('items', KEY_ITEM.at.keys, 100)).toThrowError(/^key tiles: a tile of 100 keys|slot \d+ is summed for other keys/);
    expect(put('items', KEY_ITEM.at.visitEnd, 10_000)).toThrowError(/^key tiles: /);
    expect(put('spans', VISIT.at.end, 10_000)).toThrowError(/^key tiles: /);
    expect(put('spans', VISIT.at.begin, rows.schedule[2 * keys.offsets.spans + VISIT.at.begin]! + 1)).toThrowError(
      /^key tiles: pair/,
    );
    expect(() => checkGradientPlan({...gradients, keys: {...keys, slots: keys.slots + 1}})).toThrowError(
      /slots, but no wave has more/,
    );
  });

  it('know lists, bits and the lines that items name', () => {
    const problem = problemFor({queryLength: 70, keyLength: 70, queryOffset: 0}, {batch: 2, heads: 2, headDim: 4});
    const attends = (row: number, key: number, batch: number, head: number): boolean =>
      key <= row && row - key < 40 + 7 * batch + 3 * head;
    let kindsSeen = 0;
    for (const rows of ['affine', 'list'] as const)
      for (const keys of ['affine', 'list'] as const)
        for (const mask of ['interval', 'bits'] as const)
          for (const heads of ['grid', 'item'] as const)
            for (const batch of ['grid', 'item'] as const) {
              const plan = handMadeGradients(problem, {rows, keys, mask, heads, batch}, attends, 'gradients');
              checkGradientPlan(plan);
              const schedule = plan.rows.schedule.slice();
              const {offsets} = plan.keys;
              // The last key of the first tile is left out.
              schedule[2 * offsets.items + KEY_ITEM.at.keys]! -= 1;
              expect(() => checkGradientPlan({...plan, rows: {...plan.rows, schedule}})).toThrowError(/has 0 owners/);
              kindsSeen++;
            }
    expect(kindsSeen).toBe(32);
  });
});
