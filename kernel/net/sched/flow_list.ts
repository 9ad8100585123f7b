/** The flows whose turn comes, of fq and fq_codel: linked through themselves, so that a turn allocates nothing. */

export interface listed_flow<T> {
  next: T | null;
  /** In a list. */
  listed: boolean;
}

export class flow_list<T extends listed_flow<T>> {
  first: T | null = null;
  private last: T | null = null;
  length = 0;

  push(flow: T): void {
    flow.listed = true;
    flow.next = null;
    if (this.last !== null) this.last.next = flow;
    else this.first = flow;
    this.last = flow;
    this.length++;
  }

  /** The first flow is in no list any more. There is one. */
  shift(): T {
    const flow = this.first as T;
    this.first = flow.next;
    if (this.first === null) this.last = null;
    flow.next = null;
    flow.listed = false;
    this.length--;
    return flow;
  }
}
