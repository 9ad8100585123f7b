/**
 * Random scripts for tcp_diff_turn.ts about who is told what: epoll in all its ways, poll and SO_ERROR, over a listener with
 * several connections, a connecting socket and UDP sockets, with calls that wait meanwhile.
 */
import type { Step } from './tcp_diff.ts';
import { Writer } from './tcp_diff_random.ts';

const IN = 1;
const PRI = 2;
const OUT = 4;
const RDHUP = 0x2000;
const EXCLUSIVE = 2 ** 28;
const ONESHOT = 2 ** 30;
const ET = 2 ** 31;

/** A connection of the peer's with the listener, by its port. */
interface Flow {
  readonly port: number;
  nxt: number;
  /** The host's bytes that are acknowledged. */
  ack: number;
  open: boolean;
}

class Crowd {
  private readonly w: Writer;
  private readonly flows: Flow[] = [];
  private readonly sockets: string[] = ['L', 'U', 'V'];
  private readonly epolls: string[] = [];
  private current = 40000;
  private accepted = 0;

  constructor(seed: number, pace: number) {
    this.w = new Writer(seed, 'poll', pace, () => []);
  }

  write(steps: number): Step[] {
    const { w } = this;
    w.call('socket L');
    w.call('bind L 8080');
    w.call(`listen L ${w.pick([0, 1, 5])}`);
    for (const [name, port] of [
      ['U', 9000],
      ['V', 9001],
    ] as const) {
      w.call(`usocket ${name}`);
      w.call(`bind ${name} ${port}`);
      if (w.one(2)) w.call(`connect ${name} 7`);
      if (w.one(2)) w.call(`set ${name} IP_RECVERR 1`);
    }
    if (w.one(2)) {
      w.call('socket N');
      w.call('bind N 8081');
      this.sockets.push('N');
      if (w.one(2)) w.call('connect N 80');
    }
    for (let n = w.pick([1, 2, 2, 3]); n > 0; n--) {
      const name = `E${n}`;
      w.call(`epoll ${name}`);
      this.epolls.push(name);
      for (let i = w.pick([1, 2, 3]); i > 0; i--) this.watch(name);
    }
    for (let n = 0; n < steps; n++) {
      if (w.one(2)) this.call();
      else if (w.one(3)) this.datagram();
      else this.segment();
    }
    for (const name of this.epolls) w.call(`epwait ${name}`);
    for (const name of this.sockets) {
      w.call(`poll ${name}`);
      w.call(`get ${name} SO_ERROR`);
    }
    w.call('end', 30);
    return w.script;
  }

  private events(): number {
    const { w } = this;
    if (w.one(6))
      return w.pick([
        0,
        IN | EXCLUSIVE,
        IN | EXCLUSIVE,
        (IN | EXCLUSIVE) + ET,
        IN | OUT | EXCLUSIVE,
        (IN | EXCLUSIVE) + ONESHOT,
      ]);
    const wanted = w.pick([
      IN,
      IN,
      IN | RDHUP,
      OUT,
      IN | OUT,
      IN | OUT | RDHUP,
      PRI,
      IN | PRI,
      RDHUP,
      0x40,
      0x80,
      0x100,
      0x200,
      0x41,
    ]);
    return wanted + (w.one(2) ? ET : 0) + (w.one(4) ? ONESHOT : 0);
  }

  private watch(epoll: string): void {
    const { w } = this;
    const target = w.one(12) ? w.pick(this.epolls.filter(each => each !== epoll).concat('L')) : w.pick(this.sockets);
    w.call(`epadd ${epoll} ${target} ${this.events()}`);
  }

  private call(): void {
    const { w } = this;
    const epoll = w.pick(this.epolls);
    const name = w.pick(this.sockets);
    const size = w.pick([0, 1, 10, 100, 3000, 100000]);
    switch (w.chance.below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        w.call(`epwait ${epoll} ${w.pick([1, 10, 10])}`);
        break;
      case 6:
      case 7:
        w.call(`bg epwait ${epoll} ${w.pick([1, 10])} 1000000`);
        break;
      case 8:
      case 9:
        this.watch(epoll);
        break;
      case 10:
      case 11:
        w.call(`epmod ${epoll} ${name} ${this.events()}`);
        break;
      case 12:
        w.call(`epdel ${epoll} ${name}`);
        break;
      case 13:
      case 14: {
        const child = `C${this.accepted}`;
        if (w.call(`accept L ${child}`) === 'ok') {
          this.accepted++;
          this.sockets.push(child);
        }
        break;
      }
      case 15:
        w.call(`get ${name} SO_ERROR`);
        break;
      case 16:
        w.call(w.one(2) ? `poll ${name}` : `pollfor ${name} ${w.pick([0, IN, OUT, RDHUP, 0xffff])} 0`);
        break;
      case 17:
      case 18:
        w.call(`read ${name} ${size}${w.one(4) ? w.pick([' PEEK', ' ERRQUEUE', ' ERRQUEUE', ' OOB']) : ''}`);
        break;
      case 19:
      case 20:
        if (w.one(3)) w.call(`sendto ${w.pick(['U', 'V'])} ${w.pick([7, 8])} ${w.pick([0, 10, 1000])}`);
        else w.call(`write ${name} ${size}`);
        break;
      case 21:
        if (w.one(2)) w.call(`shutdown ${name} ${w.pick(['RD', 'WR', 'RDWR'])}`);
        break;
      case 22:
        if (w.one(3) && this.sockets.length > 3) {
          w.call(`close ${name}`);
          this.sockets.splice(this.sockets.indexOf(name), 1);
        }
        break;
      default:
        w.call(
          w.pick([
            `set ${name} ${w.pick(['SO_RCVLOWAT 100', 'SO_RCVLOWAT 1', 'SO_OOBINLINE 1', 'TCP_NOTSENT_LOWAT 1000', 'SO_SNDBUF 5000', 'IP_RECVERR 1'])}`,
            `connect ${w.pick(['N', 'U', 'V'])} ${w.pick([7, 80])}`,
            `disconnect ${name}`,
            'end',
            'end',
          ]),
        );
    }
  }

  private datagram(): void {
    const { w } = this;
    const host = w.pick([9000, 9001]);
    const peer = w.pick([7, 7, 8]);
    if (w.one(2)) w.step(w.pick([1, 2, 5]), 'udp', `${peer}`, `${host}`, `${w.pick([0, 1, 10, 100])}`);
    else {
      const [type, code] = w.pick([
        [3, 3],
        [3, 3],
        [3, 1],
        [3, 13],
        [3, 4],
        [11, 0],
        [12, 0],
        [4, 0],
      ] as const);
      w.step(
        w.pick([1, 2, 5]),
        'icmpudp',
        `${type}`,
        `${code}`,
        `${code === 4 ? 1000 : 0}`,
        `${peer}`,
        `${host}`,
        '10',
      );
    }
  }

  private flow(peer: number, host = 8080): void {
    if (this.current === peer) return;
    this.current = peer;
    this.w.call(`flow ${peer} ${host}`, 1);
  }

  private segment(): void {
    const { w } = this;
    if (this.sockets.includes('N') && w.one(6)) {
      this.flow(80, 8081);
      if (w.one(4)) w.step(1, 'icmp', '3', w.pick(['0', '1', '3', '13']), '0', '0');
      else
        w.segment(
          w.pick([
            'S. 0:0(0) ack 1 win 5000 <mss 1000>',
            'R. 0:0(0) ack 1 win 0',
            '. 1:1(0) ack 1 win 0',
            'P. 1:101(100) ack 1 win 0',
            'F. 1:1(0) ack 1 win 0',
            'R 1:1(0) win 0',
          ]),
        );
      return;
    }
    if (this.flows.length < 2 || w.one(10)) {
      const port = 40001 + this.flows.length;
      this.flow(port);
      w.segment('S 0:0(0) win 32792 <mss 1000,nop,wscale 7>');
      if (!w.one(8)) w.segment('. 1:1(0) ack 1 win 257');
      this.flows.push({ port, nxt: 1, ack: 1, open: true });
      return;
    }
    const flow = w.pick(this.flows);
    this.flow(flow.port);
    for (const each of w.turn.segments) {
      const end = Number(/:(\d+)/.exec(each.text)?.[1]);
      if (each.destinationPort === flow.port && (each.flags & 6) === 0)
        flow.ack = Math.max(flow.ack, end + (each.flags & 1));
    }
    const ack = `ack ${flow.ack} win ${w.pick([0, 8, 257, 257])}`;
    const length = w.pick([1, 10, 100, 1000]);
    const { nxt } = flow;
    switch (w.chance.below(12)) {
      case 0:
        w.segment(`R. ${nxt}:${nxt}(0) ${ack}`);
        break;
      case 1:
      case 2:
        w.segment(`F. ${nxt}:${nxt}(0) ${ack}`);
        if (flow.open) flow.nxt++;
        flow.open = false;
        break;
      case 3:
        w.segment(`PU. ${nxt}:${nxt + length}(${length}) ${ack} urg ${w.pick([1, length, length + 1])}`);
        if (flow.open) flow.nxt += length;
        break;
      case 4:
        w.segment(`P. ${nxt + 100}:${nxt + 100 + length}(${length}) ${ack}`);
        break;
      case 5:
      case 6:
      case 7:
        w.segment(`. ${nxt}:${nxt}(0) ${ack}`);
        break;
      default:
        w.segment(`P. ${nxt}:${nxt + length}(${length}) ${ack}`);
        if (flow.open) flow.nxt += length;
    }
  }
}

export function randomPolling(seed: number, pace = 0): Step[] {
  return new Crowd(seed, pace).write(20 + (seed % 3) * 15);
}
