/**
 * Byte queue limits (lib/dynamic_queue_limits.c): how much a driver may be given before the hardware has sent what it
 * has. The limit grows when the hardware ran dry although more was waiting, and shrinks by what was never needed for
 * `slack_hold_time`. Counters are 32 bits wide and wrap.
 */

/** An object at most this large is ever queued (DQL_MAX_LIMIT, and the clock's unit, ns for jiffies). */
const DQL_MAX_LIMIT = 0x7fffffff / 2 - 15_000;
const NO_SLACK = 0x7fffffff;
const SLACK_HOLD_NS = 1_000_000_000;

const posdiff = (a: number, b: number): number => {
  const d = (a - b) | 0;
  return d > 0 ? d : 0;
};

export class dql {
  /** Bytes given to the hardware since the beginning. */
  num_queued = 0;
  /** limit + num_completed: what num_queued may rise to. */
  private adj_limit = 0;
  private last_obj_cnt = 0;
  /** Bytes that may be under way, and how often it changed. */
  limit = 0;
  private num_completed = 0;
  private prev_ovlimit = 0;
  private prev_num_queued = 0;
  private prev_last_obj_cnt = 0;
  private lowest_slack = NO_SLACK;
  private slack_start = 0;
  max_limit = Math.floor(DQL_MAX_LIMIT);
  min_limit = 0;
  slack_hold_ns = SLACK_HOLD_NS;

  /** dql_queued */
  queued(count: number): void {
    this.last_obj_cnt = count;
    this.num_queued = (this.num_queued + count) | 0;
  }

  /** dql_avail: bytes that may still be queued; below 0 when the limit is passed. */
  avail(): number {
    return (this.adj_limit - this.num_queued) | 0;
  }

  /** Bytes under way. */
  inflight(): number {
    return (this.num_queued - this.num_completed) | 0;
  }

  /** dql_completed: `count` bytes are sent, at the time `now` (ns). False: so many were never queued. */
  completed(count: number, now: number): boolean {
    const { num_queued } = this;
    if (count > this.inflight()) return false;
    const completed = (this.num_completed + count) | 0;
    let { limit } = this;
    let ovlimit = posdiff((num_queued - this.num_completed) | 0, limit);
    const inprogress = (num_queued - completed) | 0;
    const prev_inprogress = (this.prev_num_queued - this.num_completed) | 0;
    const all_prev_completed = ((completed - this.prev_num_queued) | 0) >= 0;
    if ((ovlimit !== 0 && inprogress === 0) || (this.prev_ovlimit !== 0 && all_prev_completed)) {
      // Starved: over the limit, and the hardware has run dry, or could have.
      limit += posdiff(completed, this.prev_num_queued) + this.prev_ovlimit;
      this.slack_start = now;
      this.lowest_slack = NO_SLACK;
    } else if (inprogress !== 0 && prev_inprogress !== 0 && !all_prev_completed) {
      // Busy all the time: what of the limit was not needed?
      const slack = posdiff(limit + this.prev_ovlimit, 2 * ((completed - this.num_completed) | 0));
      const last = this.prev_ovlimit !== 0 ? posdiff(this.prev_last_obj_cnt, this.prev_ovlimit) : 0;
      this.lowest_slack = Math.min(this.lowest_slack, Math.max(slack, last));
      if (now > this.slack_start + this.slack_hold_ns) {
        limit = posdiff(limit, this.lowest_slack);
        this.slack_start = now;
        this.lowest_slack = NO_SLACK;
      }
    }
    limit = Math.min(Math.max(limit, this.min_limit), this.max_limit);
    if (limit !== this.limit) {
      this.limit = limit;
      ovlimit = 0;
    }
    this.adj_limit = (limit + completed) | 0;
    this.prev_ovlimit = ovlimit;
    this.prev_last_obj_cnt = this.last_obj_cnt;
    this.num_completed = completed;
    this.prev_num_queued = num_queued;
    return true;
  }

  /** dql_reset: nothing is under way; the limit is learnt anew. */
  reset(): void {
    this.limit = this.min_limit;
    this.num_queued = 0;
    this.num_completed = 0;
    this.adj_limit = this.min_limit;
    this.last_obj_cnt = 0;
    this.prev_num_queued = 0;
    this.prev_last_obj_cnt = 0;
    this.prev_ovlimit = 0;
    this.lowest_slack = NO_SLACK;
    this.slack_start = 0;
  }
}
