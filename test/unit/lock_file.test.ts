import {readFileSync} from 'node:fs';

describe('package-lock.json', () => {
  const {packages} = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, {resolved?: string; version?: string}>;
  };

  it('names no registry, so it installs from any mirror', () => {
    expect(Object.keys(packages).filter((path) => packages[path]?.resolved)).toEqual([]);
  });

  it('holds one version of the WebGPU types: two of them contradict each other', () => {
    expect(Object.keys(packages).filter((path) => path.endsWith('@webgpu/types'))).toEqual(['node_modules/@webgpu/types']);
  });
});
