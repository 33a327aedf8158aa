import {currentDevice} from '../src/index.js';
import type {Device} from '../src/plan/index.js';
import {makeProductPlan, PRODUCT_TILES, type ProductPlan, type ProductTile} from '../src/product/index.js';
import {productCall} from '../src/runtime/products/product_call.js';
import {generateProduct, type BindingRole, type ProductLaunches} from '../src/wgsl/index.js';
import type {Gpu} from './gpu.js';
import {drawn, expectSampled, type DrawnCase, type ProductCase} from './product_cases.js';
import {digits, textTable} from './table.js';
import type {Timer} from './timer.js';

/** A time of one shape of tiles. */
interface TileTime {
  readonly name: string;
  readonly tile: string;
  readonly ms: number;
  readonly items: number;
  readonly merged: number;
}

/** Times every shape of tiles that fits a case, on buffers of its own, so that nothing of TensorFlow.js is in it. */
export async function timeTiles(gpu: Gpu, timer: Timer, cases: readonly ProductCase[]): Promise<string> {
  const device = currentDevice()!;
  const rows: TileTime[] = [];
  for (const each of cases) {
    const own = drawn(each);
    const {problem} = productCall(own.a.shape, own.b.shape, own.options);
    const chosen = makeProductPlan(problem, device);
    const uncut: Device = {...device, gpu: {...device.gpu, multiprocessors: 1}};
    const plans: [string, ProductPlan][] = [['chosen', chosen]];
    if (chosen.schedule.merges > 0) plans.push(['chosen, uncut', makeProductPlan(problem, uncut, {tile: chosen.tile})]);
    for (const [name, tile] of variantsOf(chosen))
      plans.push([name, makeProductPlan(problem, tile.rows * tile.columns < 4096 ? uncut : device, {tile})]);
    const operands = new Operands(gpu.device, own);
    for (const [name, plan] of plans) {
      const {ms, output} = await operands.time(timer, generateProduct(plan));
      expectSampled(own, output);
      const {items, merges} = plan.schedule;
      rows.push({name: each.name, tile: name, ms, items: items * plan.layers, merged: merges});
      console.log(`${each.name}: ${name} ${digits(ms)} ms, ${items} items, ${merges} merged`);
    }
    operands.destroy();
  }
  return textTable(
    ['case', 'tile', 'ms', 'items', 'merged'],
    rows.map(({name, tile, ms, items, merged}) => [name, tile, digits(ms), String(items), String(merged)]),
  );
}

/** Shapes with the sides of the chosen one where blocks bind them, those in the table and that one with the next step ahead or not. */
function variantsOf({tile, problem}: ProductPlan): [string, ProductTile][] {
  const {maskA, maskB, maskC, block} = problem;
  const isFree = maskA === null && maskB === null && maskC === null;
  const bound = (masks: readonly unknown[]): boolean => masks.some((mask) => mask !== null);
  const fits = (own: ProductTile): boolean =>
    (bound([maskA, maskC]) ? own.rows === tile.rows : true) &&
    (bound([maskB, maskC]) ? own.columns === tile.columns : true) &&
    (isFree ? own.rows >= 32 && own.columns >= 32 : block.k % own.step === 0) &&
    (own.staged || !problem.transposeB);
  const same = (a: ProductTile, b: ProductTile): boolean => JSON.stringify(a) === JSON.stringify(b);
  const found: [string, ProductTile][] = Object.entries<ProductTile>(PRODUCT_TILES).filter(
    ([, own]) => fits(own) && !same(own, tile),
  );
  if (tile.staged) found.push([tile.ahead ? 'chosen, not ahead' : 'chosen, ahead', {...tile, ahead: !tile.ahead}]);
  return found;
}

/** The tensors of a case on the device. */
class Operands {
  readonly #buffers = new Map<BindingRole, GPUBuffer>();
  readonly #bytes: number;

  constructor(
    private readonly device: GPUDevice,
    {a, b, of: {m, n, batch = 1}}: DrawnCase,
  ) {
    this.#buffers.set('a', this.#upload(a.values));
    this.#buffers.set('b', this.#upload(b.values));
    this.#bytes = 4 * batch * m * n;
    this.#buffers.set('output', this.#empty(this.#bytes));
  }

  async time(timer: Timer, {launches, schedule, workBytes}: ProductLaunches): Promise<{ms: number; output: Float32Array}> {
    const {device} = this;
    const own = [this.#upload(schedule), this.#empty(workBytes.scratch ?? 16)] as const;
    const buffers = new Map([...this.#buffers, ['schedule', own[0]] as const, ['scratch', own[1]] as const]);
    const dispatches = await Promise.all(
      launches.map(async ({program, grid, params}) => {
        const module = device.createShaderModule({code: program.code});
        const pipeline = await device.createComputePipelineAsync({layout: 'auto', compute: {module, entryPoint: 'main'}});
        const entries = program.bindings.map((role, binding) => {
          const bound =
            role === 'params' ? this.#upload(new Uint8Array(params({scale: 1})), GPUBufferUsage.UNIFORM) : buffers.get(role)!;
          return {binding, resource: {buffer: bound}};
        });
        return {pipeline, grid, bindGroup: device.createBindGroup({layout: pipeline.getBindGroupLayout(0), entries})};
      }),
    );
    const enqueue = (count: number): void => {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let call = 0; call < count; call++)
        for (const {pipeline, grid, bindGroup} of dispatches) {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindGroup);
          pass.dispatchWorkgroups(...grid);
        }
      pass.end();
      device.queue.submit([encoder.finish()]);
    };
    enqueue(1);
    const {ms} = await timer.time(enqueue);
    const output = await this.#read();
    for (const buffer of own) buffer.destroy();
    return {ms, output};
  }

  destroy(): void {
    for (const buffer of this.#buffers.values()) buffer.destroy();
  }

  #empty(bytes: number): GPUBuffer {
    const {STORAGE, COPY_SRC} = GPUBufferUsage;
    return this.device.createBuffer({size: bytes, usage: STORAGE | COPY_SRC});
  }

  #upload(values: Float32Array | Uint32Array | Uint8Array, usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE): GPUBuffer {
    const buffer = this.device.createBuffer({size: values.byteLength, usage: usage | GPUBufferUsage.COPY_DST});
    this.device.queue.writeBuffer(buffer, 0, values as Uint8Array<ArrayBuffer>);
    return buffer;
  }

  async #read(): Promise<Float32Array> {
    const {MAP_READ, COPY_DST} = GPUBufferUsage;
    const to = this.device.createBuffer({size: this.#bytes, usage: MAP_READ | COPY_DST});
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.#buffers.get('output')!, 0, to, 0, this.#bytes);
    this.device.queue.submit([encoder.finish()]);
    await to.mapAsync(GPUMapMode.READ);
    const found = new Float32Array(to.getMappedRange().slice(0));
    to.destroy();
    return found;
  }
}
