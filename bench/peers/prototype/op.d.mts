export const PATTERNS: readonly string[];
export function prototypeOp(
  device: GPUDevice,
  pattern: string,
  n: number,
  heads: number,
  buffers: {readonly query: GPUBuffer; readonly key: GPUBuffer; readonly value: GPUBuffer},
): Promise<{
  readonly variant: string;
  readonly computed: number;
  readonly output: GPUBuffer;
  enqueue(count: number): void;
  release(): void;
}>;
