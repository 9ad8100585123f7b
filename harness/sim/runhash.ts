/** A hash over everything observable of a run: two runs of one scenario, seed and input log give the same one. */
import { createHash, type Hash } from 'node:crypto';

const BLOCK = 4096;
/** Longer kinds are taken in as text. */
const KIND_MAX = 80;

export class RunHash {
  private readonly hash: Hash = createHash('sha256');
  private readonly bytes = Buffer.alloc(BLOCK);
  private used = 0;
  /** Records taken in. */
  records = 0;

  private room(length: number): void {
    if (this.used + length > BLOCK) this.flush();
  }

  private flush(): void {
    if (this.used > 0) this.hash.update(this.bytes.subarray(0, this.used));
    this.used = 0;
  }

  /** An observation: what kind, when (ns), and up to three numbers. */
  note(kind: string, time: number, a = 0, b = 0, c = 0): void {
    if (kind.length > KIND_MAX) {
      this.text(kind);
      kind = 'long';
    }
    this.room(40 + kind.length * 3);
    const { bytes } = this;
    let at = this.used;
    at = bytes.writeDoubleLE(time, at);
    at = bytes.writeDoubleLE(a, at);
    at = bytes.writeDoubleLE(b, at);
    at = bytes.writeDoubleLE(c, at);
    at = bytes.writeUInt8(kind.length, at);
    this.used = at + bytes.write(kind, at);
    this.records++;
  }

  /** Bytes that were seen, with their length. */
  data(bytes: Uint8Array, at: number, length: number): void {
    this.note('data', length);
    this.flush();
    this.hash.update(bytes.subarray(at, at + length));
  }

  text(text: string): void {
    const bytes = Buffer.from(text);
    this.data(bytes, 0, bytes.length);
  }

  /** The hash so far, as hexadecimal digits. */
  digest(): string {
    this.flush();
    return this.hash.copy().digest('hex');
  }
}
