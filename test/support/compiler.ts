import {create} from 'webgpu';

/** What Dawn's compiler says against a text, with the line; it is its `null` backend, which checks modules as every other one and runs nothing. */
export interface Compiler {
  faults(code: string): Promise<string[]>;
  close(): void;
}

/** `extensions`: subgroups and tensor cores too. */
export async function openCompiler({extensions = false} = {}): Promise<Compiler> {
  const features = ['allow_unsafe_apis', ...(extensions ? ['expose_wgsl_experimental_features'] : [])];
  const gpu = create(['backend=null', `enable-dawn-features=${features.join()}`]);
  // A collected instance takes the process down.
  ((globalThis as {nullInstances?: unknown[]}).nullInstances ??= []).push(gpu);
  const device = await (await gpu.requestAdapter())!.requestDevice({
    requiredFeatures: [
      'shader-f16',
      ...(extensions ? ['subgroups', 'chromium-experimental-subgroup-matrix'] : []),
    ] as GPUFeatureName[],
  });
  return {
    async faults(code) {
      device.pushErrorScope('validation');
      const {messages} = await device.createShaderModule({code}).getCompilationInfo();
      const error = await device.popErrorScope();
      const lines = code.split('\n');
      const said = messages
        .filter(({type}) => type !== 'info')
        .map(({type, lineNum, message}) => `${type} in line ${lineNum}, ${lines[lineNum - 1]?.trim()}: ${message}`);
      return said.length === 0 && error !== null ? [error.message] : said;
    },
    close: () => device.destroy(),
  };
}
