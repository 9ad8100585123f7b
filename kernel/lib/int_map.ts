/**
 * A hash table from 32-bit integers to objects: open addressing over an Int32Array, so that a lookup, made per packet,
 * allocates nothing and touches two arrays. At most half full; removal closes the gap (no tombstones).
 */
export class int_map<V extends object> {
  private keys = new Int32Array(8);
  private slots: (V | null)[] = new Array<V | null>(8).fill(null);
  private mask = 7;
  size = 0;

  private home(key: number): number {
    let h = Math.imul(key ^ (key >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) & this.mask;
  }

  get(key: number): V | null {
    const { keys, slots, mask } = this;
    let at = this.home(key);
    for (;;) {
      const value = slots[at] as V | null;
      if (value === null || keys[at] === key) return value;
      at = (at + 1) & mask;
    }
  }

  set(key: number, value: V): void {
    let at = this.home(key);
    for (; this.slots[at] !== null; at = (at + 1) & this.mask) {
      if (this.keys[at] === key) {
        this.slots[at] = value;
        return;
      }
    }
    this.keys[at] = key;
    this.slots[at] = value;
    if (++this.size * 2 > this.mask) this.grow();
  }

  /** True when the key was there. */
  delete(key: number): boolean {
    const { keys, slots, mask } = this;
    let gap = this.home(key);
    for (; slots[gap] !== null; gap = (gap + 1) & mask) {
      if (keys[gap] === key) break;
    }
    if (slots[gap] === null) return false;
    // Entries behind the gap that may not be reached across it move into it.
    for (let at = (gap + 1) & mask; slots[at] !== null; at = (at + 1) & mask) {
      const home = this.home(keys[at] as number);
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      keys[gap] = keys[at] as number;
      slots[gap] = slots[at] as V;
      gap = at;
    }
    slots[gap] = null;
    this.size--;
    return true;
  }

  /** The values, in no order that means anything. A copy: the table may change meanwhile. */
  values(): V[] {
    return this.slots.filter(value => value !== null);
  }

  private grow(): void {
    const { keys, slots } = this;
    this.mask = this.mask * 2 + 1;
    this.keys = new Int32Array(this.mask + 1);
    this.slots = new Array<V | null>(this.mask + 1).fill(null);
    for (let i = 0; i < slots.length; i++) {
      const value = slots[i] as V | null;
      if (value === null) continue;
      let at = this.home(keys[i] as number);
      while (this.slots[at] !== null) at = (at + 1) & this.mask;
      this.keys[at] = keys[i] as number;
      this.slots[at] = value;
    }
  }
}
