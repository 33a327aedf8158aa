import * as tf from '@tensorflow/tfjs-core';
import type {DataId, Tensor} from '@tensorflow/tfjs-core';
import type {Host} from './backend.js';
import type {WebGPUBackend} from './tfjs_webgpu.js';
import type {Watcher} from './watcher.js';

/** Puts a function in place of a member of any object; returns what puts the old one back. */
function replace<T extends object, Name extends keyof T>(on: T, name: Name, make: (old: T[Name]) => T[Name]): () => void {
  const before = Object.getOwnPropertyDescriptor(on, name);
  Object.defineProperty(on, name, {value: make(on[name]), configurable: true, writable: true});
  return () => {
    if (before === undefined) Reflect.deleteProperty(on, name);
    else Object.defineProperty(on, name, before);
  };
}

/** Runs a function and tells the watcher what it does. Nothing else can run meanwhile, and nothing stays behind. */
export function watched<T>(host: Host, watcher: Watcher, run: () => T): T {
  const backend = host.inside((backend) => backend);
  const {activeTimers, programTimersStack} = backend;
  host.watcher = watcher;
  const restore = [...watchData(backend, watcher), ...watchValues(backend, watcher), watchOps(watcher)];
  try {
    return run();
  } finally {
    host.watcher = null;
    for (const back of restore.reverse()) back();
    // tf.time does not end where its function throws.
    if (backend.activeTimers !== activeTimers) Object.assign(backend, {activeTimers, programTimersStack});
  }
}

/** Whether tf.time, tf.profile or the debug mode of TensorFlow.js time what runs. */
export const isTimed = (host: Host): boolean => host.inside(({activeTimers}) => activeTimers != null);

function watchOps(watcher: Watcher): () => void {
  const engine = tf.engine();
  return replace(
    engine,
    'runKernel',
    (runKernel) =>
      function <Output extends Tensor | Tensor[]>(name: string, inputs: tf.NamedTensorMap, attributes?: tf.NamedAttrMap): Output {
        // Some ops have lists among their inputs.
        const ended = watcher.began(
          name,
          Object.values(inputs)
            .flat()
            .filter((input) => input instanceof tf.Tensor),
        );
        try {
          return runKernel.call(engine, name, inputs, attributes) as Output;
        } finally {
          ended();
        }
      },
  );
}

/** Where data begin, and where they lie. */
function watchData(backend: WebGPUBackend, watcher: Watcher): (() => void)[] {
  return [
    replace(backend, 'write', (write) => (...given) => {
      const id = write.apply(backend, given) as DataId;
      watcher.made(id);
      return id;
    }),
    replace(backend, 'uploadToGPU', (upload) => (id) => {
      const {resource, values, dtype} = backend.tensorMap.get(id);
      // A copy: the backend gives the numbers up.
      const isInteger = dtype === 'int32' || dtype === 'bool';
      const numbers = resource == null && values != null ? (values as ArrayLike<number>) : null;
      const contents = numbers && (isInteger ? Int32Array.from(numbers) : Float32Array.from(numbers));
      upload.call(backend, id);
      if (resource == null) watcher.placed(id, backend.tensorMap.get(id).resource as GPUBuffer, contents);
    }),
    replace(backend, 'createTensorFromGPUData', (create) => (...given) => {
      watcher.note('lent');
      return create.apply(backend, given);
    }),
    replace(backend, 'readToGPU', (read) => (...given) => {
      watcher.note('lent');
      return read.apply(backend, given);
    }),
    replace(backend.device.queue, 'writeBuffer', (write) => (...given: Parameters<typeof write>) => {
      // Uniforms are known by their contents.
      if ((given[0].usage & GPUBufferUsage.UNIFORM) === 0) watcher.note('written');
      return write.apply(backend.device.queue, given);
    }),
  ];
}

/** Where numbers could get from tensors into the program, or from elsewhere. */
function watchValues(backend: WebGPUBackend, watcher: Watcher): (() => void)[] {
  const isReadable = (id: DataId): boolean => {
    const {values, complexTensorInfos, dtype} = backend.tensorMap.get(id);
    if (complexTensorInfos != null)
      return [complexTensorInfos.real, complexTensorInfos.imag].every(({dataId}) => isReadable(dataId));
    return (values != null || dtype === 'string') && watcher.isConstant(id);
  };
  return [
    replace(backend, 'readSync', (read) => (id) => {
      if (!isReadable(id as DataId)) watcher.refuse('read');
      return read.call(backend, id);
    }),
    replace(backend, 'read', (read) => (id) => {
      if (isReadable(id as DataId)) return read.call(backend, id);
      watcher.note('read');
      // Who waits for it is refused. An answer would find its tensors gone, and an error might find nobody who listens.
      return new Promise(() => undefined);
    }),
    replace(backend, 'shouldExecuteOnCPU', (should) => (inputs, ...given) => {
      for (const {dataId} of inputs) if (!watcher.isConstant(dataId)) backend.uploadToGPU(dataId);
      return should.call(backend, inputs, ...given);
    }),
    replace(backend, 'time', (time) => (run) => {
      watcher.note('timed');
      return time.call(backend, run);
    }),
    replace(Math, 'random', (random) => () => {
      watcher.note('random');
      return random();
    }),
    replace(
      tf.Variable.prototype,
      'assign',
      () =>
        function (this: tf.Variable): void {
          watcher.refuse('assigned', this.name);
        },
    ),
  ];
}
