/** The variant for this pattern and size, or null where the prototype was not measured. */
export function matrixVariant(pattern: string, n: number, headDim: number): string | null;
export function prototypeMatrixOp(
  device: GPUDevice,
  pattern: string,
  n: number,
  heads: number,
  headDim: number,
  buffers: {readonly query: GPUBuffer; readonly key: GPUBuffer; readonly value: GPUBuffer},
): Promise<{
  readonly variant: string;
  readonly nnz: number;
  readonly output: GPUBuffer;
  enqueue(count: number): void;
  release(): void;
}>;
