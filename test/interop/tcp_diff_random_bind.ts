/**
 * Random scripts for tcp_diff_turn.ts about addresses and ports: who may bind, listen and connect where, with which options,
 * over the loopback device and to the peer, before and after others have closed. Only the calls' results say anything.
 */
import type { Step } from './tcp_diff.ts';
import { Writer } from './tcp_diff_random.ts';

const PORTS = [9000, 9000, 9000, 9001, 9002];
const ADDRESSES = ['any', 'any', 'any', 'host', 'host', 'lo', 'lo', 'lo2'];
const ODD_ADDRESSES = ['peer', 'bcast', 'limited', 'group', 'far'];
const OPTIONS: readonly (readonly [name: string, values: readonly number[]])[] = [
  ['SO_REUSEADDR', [0, 1, 1]],
  ['SO_REUSEADDR', [1]],
  ['SO_REUSEPORT', [0, 1, 1]],
  ['SO_REUSEPORT', [1]],
  ['IP_BIND_ADDRESS_NO_PORT', [0, 1]],
  ['IP_FREEBIND', [0, 1]],
  ['IP_TRANSPARENT', [1]],
  ['SO_BINDTOIFINDEX', [0, 1, 2]],
];

/** A handful of sockets that want the same few ports. */
class Ports {
  private readonly w: Writer;
  private readonly sockets: string[] = [];
  private made = 0;

  constructor(seed: number, pace: number) {
    this.w = new Writer(seed, 'bind', pace, (_, one) => [
      ...(one(4) ? [['ip_nonlocal_bind', '1']] : []),
      ...(one(4) ? [['tcp_tw_reuse', '1']] : []),
      ...(one(4) ? [['tcp_abort_on_overflow', '1']] : []),
    ]);
  }

  write(steps: number): Step[] {
    const { w } = this;
    for (let n = 0; n < steps; n++) this.act();
    for (const name of this.sockets) {
      w.call(`name ${name}`);
      w.call(`get ${name} SO_ERROR`);
    }
    w.call('end', 15);
    return w.script;
  }

  private address(): string {
    const { w } = this;
    return w.one(15) ? w.pick(ODD_ADDRESSES) : w.pick(ADDRESSES);
  }

  private act(): void {
    const { w } = this;
    if (this.sockets.length < 2 || (this.sockets.length < 9 && w.one(5))) {
      const name = `S${this.made++}`;
      w.call(`${w.one(5) ? 'usocket' : 'socket'} ${name}`);
      this.sockets.push(name);
      while (w.one(2)) this.set(name);
      if (!w.one(4)) this.bind(name);
      return;
    }
    const name = w.pick(this.sockets);
    switch (w.chance.below(16)) {
      case 0:
      case 1:
        this.set(name);
        break;
      case 2:
      case 3:
        this.bind(name);
        break;
      case 4:
      case 5:
      case 6:
        w.call(`listen ${name} ${w.pick([0, 1, 5])}`);
        break;
      case 7:
      case 8:
      case 9:
        w.call(`connect ${name} ${w.pick(PORTS)} ${this.address()}`);
        break;
      case 10: {
        const child = `S${this.made++}`;
        if (!w.call(`accept ${name} ${child}`).startsWith('-')) this.sockets.push(child);
        break;
      }
      case 11:
        w.call(`${w.pick(['name', 'peername'])} ${name}`);
        break;
      case 12:
        w.call(w.pick([`get ${name} SO_ERROR`, `poll ${name}`, `write ${name} 10`, `read ${name} 100`]));
        break;
      case 13:
        w.call(
          w.pick([`shutdown ${name} ${w.pick(['RD', 'WR', 'RDWR'])}`, `disconnect ${name}`, `linger ${name} 1 0`]),
        );
        break;
      default:
        w.call(`close ${name}`);
        this.sockets.splice(this.sockets.indexOf(name), 1);
    }
  }

  private set(name: string): void {
    const [option, values] = this.w.pick(OPTIONS);
    this.w.call(`set ${name} ${option} ${this.w.pick(values)}`);
  }

  private bind(name: string): void {
    const { w } = this;
    w.call(`bind ${name} ${w.one(12) ? 0 : w.pick(PORTS)} ${this.address()}`);
  }
}

export function randomBinding(seed: number, pace = 0): Step[] {
  return new Ports(seed, pace).write(30 + (seed % 3) * 20);
}
