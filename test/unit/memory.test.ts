import {Memory} from '../../src/runtime/host/memory.js';

/** A device that only counts. `waiting` is what waits to be submitted. */
function fakeDevice() {
  const written: {buffer: GPUBuffer; first: number}[] = [];
  let made = 0;
  const device = {
    createBuffer: ({size}: GPUBufferDescriptor) => {
      made++;
      return {size} as GPUBuffer;
    },
    queue: {
      writeBuffer: (buffer: GPUBuffer, _: number, bytes: ArrayBuffer) =>
        void written.push({buffer, first: new Int32Array(bytes)[0]!}),
    },
  } as Partial<GPUDevice> as GPUDevice;
  const state = {waiting: {} as object | null};
  const memory = new Memory(device, () => state.waiting);
  const uniform = (number: number, bytes = 16) =>
    memory.uniform(`${number}`, () => {
      const words = new Int32Array(bytes / 4);
      words[0] = number;
      return words.buffer;
    });
  return {memory, uniform, written, state, made: () => made};
}

const buffer = (): GPUBuffer => ({size: 4}) as GPUBuffer;
const pipeline = (): GPUComputePipeline => ({label: ''}) as GPUComputePipeline;
const group = (): GPUBindGroup => ({label: ''}) as GPUBindGroup;

beforeAll(() => {
  // Node has none.
  (globalThis as {GPUBufferUsage?: unknown}).GPUBufferUsage ??= {UNIFORM: 64, COPY_DST: 8};
});

describe('the memory of uniforms', () => {
  it('writes equal contents once', () => {
    const {uniform, written} = fakeDevice();
    expect(uniform(1)).toBe(uniform(1));
    expect(uniform(2)).not.toBe(uniform(1));
    expect(written.length).toBe(2);
  });

  it('is bounded by number and by bytes', () => {
    const {memory, uniform} = fakeDevice();
    for (let i = 0; i < 3000; i++) uniform(i);
    expect(memory.size.uniforms).toBe(1024);
    for (let i = 3000; i < 3100; i++) uniform(i, 2 ** 16);
    expect(memory.size.uniforms).toBe(16);
  });

  it('writes none that waiting commands read, and others anew', () => {
    const {uniform, written, state, made} = fakeDevice();
    const first = uniform(0);
    for (let i = 1; i < 3000; i++) uniform(i);
    expect(made()).toBe(3000);
    expect(written.filter(({buffer}) => buffer === first.buffer).length).toBe(1);
    state.waiting = {};
    for (let i = 3000; i < 5000; i++) uniform(i);
    expect(made()).toBe(3000);
    expect(new Set(written.slice(3000).map(({buffer}) => buffer)).size).toBe(2000);
  });

  it('knows what was encoded later than it was asked for', () => {
    const {uniform, written, state} = fakeDevice();
    const first = uniform(0);
    for (let i = 1; i < 1024; i++) uniform(i);
    state.waiting = {};
    first.batch = state.waiting;
    for (let i = 1024; i < 3000; i++) uniform(i);
    expect(written.filter(({buffer}) => buffer === first.buffer).length).toBe(1);
  });

  it('makes new buffers where nothing ever waits, for nobody says when commands are done', () => {
    const {uniform, state, made} = fakeDevice();
    state.waiting = null;
    for (let i = 0; i < 1100; i++) uniform(i);
    expect(made()).toBe(1100);
  });
});

describe('the memory of bind groups', () => {
  it('tells pipelines, buffers, their order, offsets and sizes apart', () => {
    const {memory} = fakeDevice();
    const [p, q, a, b] = [pipeline(), pipeline(), buffer(), buffer()];
    const cases: [GPUComputePipeline, GPUBufferBinding[]][] = [
      [p, [{buffer: a}]],
      [q, [{buffer: a}]],
      [p, [{buffer: b}]],
      [p, [{buffer: a}, {buffer: b}]],
      [p, [{buffer: b}, {buffer: a}]],
      [p, [{buffer: a, size: 4}]],
      [p, [{buffer: a, offset: 4}]],
      [p, [{buffer: a, offset: 0, size: 4}]],
    ];
    const made = cases.map(([pipe, bindings]) => memory.bindGroup(pipe, bindings, group));
    expect(new Set(made).size).toBe(cases.length);
    cases.forEach(([pipe, bindings], i) => expect(memory.bindGroup(pipe, bindings, group)).toBe(made[i]!));
  });

  it('keeps those of successive pipelines and buffers beside each other', () => {
    const {memory} = fakeDevice();
    const pipelines = Array.from({length: 16}, pipeline);
    const buffers = Array.from({length: 16}, buffer);
    for (const pipe of pipelines) for (const a of buffers) memory.bindGroup(pipe, [{buffer: a}], group);
    for (const a of buffers) for (const b of buffers) memory.bindGroup(pipelines[0]!, [{buffer: a}, {buffer: b}], group);
    expect(memory.size.bindGroups).toBe(16 * 16 + 16 * 16);
  });

  it('forgets those of a buffer', () => {
    const {memory} = fakeDevice();
    const [p, a, b, c] = [pipeline(), buffer(), buffer(), buffer()];
    for (const bindings of [
      [a, b],
      [b, c],
      [a, c],
      [a, a],
    ]) {
      memory.bindGroup(
        p,
        bindings.map((buffer) => ({buffer})),
        group,
      );
    }
    memory.forget(a);
    expect(memory.size.bindGroups).toBe(1);
    memory.forget(a);
    memory.forget(buffer());
    memory.forget(b);
    expect(memory.size.bindGroups).toBe(0);
  });

  it('is bounded, and what was evicted is not found by its buffers', () => {
    const {memory} = fakeDevice();
    const [p, shared] = [pipeline(), buffer()];
    const first = buffer();
    const bind = (other: GPUBuffer): GPUBindGroup => memory.bindGroup(p, [{buffer: shared}, {buffer: other}], group);
    bind(first);
    for (let i = 0; i < 5000; i++) bind(buffer());
    expect(memory.size.bindGroups).toBe(4096);
    const again = bind(first);
    expect(bind(first)).toBe(again);
    memory.forget(first);
    expect(memory.size.bindGroups).toBe(4095);
  });

  it('holds none of a buffer that was lent', () => {
    const {memory} = fakeDevice();
    const [p, lent] = [pipeline(), buffer()];
    memory.lend(lent);
    const bind = (): GPUBindGroup => memory.bindGroup(p, [{buffer: buffer()}, {buffer: lent}], group);
    expect(bind()).not.toBe(bind());
    expect(memory.size.bindGroups).toBe(0);
  });
});
