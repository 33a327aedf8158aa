/** Buffers that captures replay with: one that its owner gives up meanwhile is destroyed when the last capture lets go of it. */
export class Pins {
  readonly #counts = new Map<GPUBuffer, number>();
  readonly #givenUp = new Set<GPUBuffer>();

  pin(buffer: GPUBuffer): void {
    this.#counts.set(buffer, (this.#counts.get(buffer) ?? 0) + 1);
  }

  /** Whether the buffer has to stay for now. */
  giveUp(buffer: GPUBuffer): boolean {
    if (!this.#counts.has(buffer)) return false;
    this.#givenUp.add(buffer);
    return true;
  }

  /** Whether its owner gave it up meanwhile, and nobody else holds it. */
  unpin(buffer: GPUBuffer): boolean {
    const count = this.#counts.get(buffer)! - 1;
    if (count > 0) {
      this.#counts.set(buffer, count);
      return false;
    }
    this.#counts.delete(buffer);
    return this.#givenUp.delete(buffer);
  }
}
