/** A 106-bit hash of 32-bit words, one after another. */
export class WordHash {
  private a = 0x9e3779b9;
  private b = 0x85ebca6b;
  private c = 0xc2b2ae35;
  private d = 0x27d4eb2f;

  add(word: number): void {
    // Four lanes that feed each other: MurmurHash3 of 128 bits mixes so.
    this.a = Math.imul(this.a ^ word, 0x85ebca6b);
    this.b = Math.imul(((this.b ^ word) << 13) | ((this.b ^ word) >>> 19), 0xc2b2ae35) + this.a;
    this.c = Math.imul(this.c + word, 0x27d4eb2f) ^ (this.b >>> 15);
    this.d = Math.imul(((this.d + word) << 17) | ((this.d + word) >>> 15), 0x9e3779b1) ^ this.c;
  }

  toString(): string {
    for (let round = 0; round < 4; round++) this.add(this.a ^ (this.d >>> 16));
    const [a, b, c, d] = [this.a >>> 0, this.b >>> 0, this.c >>> 0, this.d >>> 0];
    return (a * 2 ** 21 + (b >>> 11)).toString(36) + (c * 2 ** 21 + (d >>> 11)).toString(36);
  }
}
