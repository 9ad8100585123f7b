/** UDP_SEGMENT: one send, several datagrams, from the socket to the wire and up again; and what the trace says of it. */
import { describe, expect, it } from 'vitest';
import type { Plugged } from '../../../../harness/machine/host.ts';
import { World } from '../../../../harness/machine/world.ts';
import { parseMac } from '../../../../harness/packet/address.ts';
import type { TraceEvent } from '../../../../harness/trace/event.ts';
import { Tracer } from '../../../../harness/trace/tracer.ts';
import { sockopt } from '../../../../kernel/net/msg.ts';
import { socketBench } from '../bench.ts';

const SOL_UDP = 17;
const UDP_SEGMENT = 103;

describe('UDP_SEGMENT', () => {
  it('over the loopback, the receiver gets each datagram', () => {
    const b = socketBench();
    const lengths = b.program(function* (sys) {
      const rx = yield* sys.socket(2, 2, 0);
      yield* sys.bind(rx, sys.sockaddr(0x7f000001, 5000));
      const tx = yield* sys.socket(2, 2, 0);
      const opt = new sockopt();
      opt.value = 1000;
      yield* sys.setsockopt(tx, SOL_UDP, UDP_SEGMENT, opt);
      const buffer = sys.mmap(8192);
      const n = yield* sys.sendto(tx, buffer, 3500, 0, sys.sockaddr(0x7f000001, 5000));
      const got = [n];
      for (let i = 0; i < 4; i++) got.push(yield* sys.recvfrom(rx, buffer, 8192, 0, null));
      return got;
    });
    expect(lengths).toEqual([3500, 1000, 1000, 1000, 500]);
    expect(b.finish()).toEqual([]);
  });

  it('asked for too much, refused with Linux’s errnos', () => {
    const b = socketBench();
    const results = b.program(function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.connect(fd, sys.sockaddr(0x7f000001, 5000));
      const opt = new sockopt();
      const set = function* (value: number) {
        opt.value = value;
        return yield* sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, opt);
      };
      const buffer = sys.mmap(65536);
      const out: number[] = [yield* set(-1), yield* set(0x10000), yield* set(10)];
      // 128 segments at most.
      out.push(yield* sys.send(fd, buffer, 1281, 0), yield* sys.send(fd, buffer, 65_508, 0));
      yield* sys.getsockopt(fd, SOL_UDP, UDP_SEGMENT, opt);
      out.push(opt.value);
      return out;
    });
    expect(results).toEqual([-22, -22, 0, -22, -90, 10]);
    expect(b.finish()).toEqual([]);
  });
});

describe('a trace', () => {
  it('names every stage of the lower half, and who was cut from whom', () => {
    const world = new World();
    const nic = (n: number): { mac: Uint8Array; rate: number } => ({
      mac: parseMac(`02:00:00:00:00:0${n}`),
      rate: 1e8,
    });
    const left = world.addHost({ name: 'left', nics: [nic(1)] });
    const right = world.addHost({ name: 'right', nics: [nic(2)] });
    world.connect(left.cards[0] as Plugged, right.cards[0] as Plugged);
    left.up('eth0', 0x0a000001, 24);
    right.up('eth0', 0x0a000002, 24);
    const events: TraceEvent[] = [];
    const tracer = new Tracer(world, event => events.push(event));
    left.spawn('send', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      const opt = new sockopt();
      opt.value = 1000;
      yield* sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, opt);
      const buffer = sys.mmap(8192);
      for (let i = 0; i < 2; i++) {
        yield* sys.sendto(fd, buffer, 3000, 0, sys.sockaddr(0x0a000002, 9));
        // The neighbour is known by then, and BQL learns nothing yet.
        if (i === 0) yield* sys.nanosleep(1000);
      }
      return 0;
    });
    world.sim.run(1e9);
    void tracer;
    const cut = events.filter(({ stage }) => stage === 'skb_gso_segment');
    expect(cut).toHaveLength(6);
    expect(new Set(cut.slice(0, 3).map(({ parent }) => parent)).size).toBe(1);
    const segment = cut[2] as TraceEvent;
    const stages = events
      .filter(({ packet, host }) => packet === segment.packet && host === 'left')
      .map(({ stage }) => stage);
    const wanted = ['skb_gso_segment', 'dev_hard_start_xmit', 'ndo_start_xmit', 'tx_gather', 'tx_start', 'tx_done'];
    expect(stages.filter(stage => wanted.includes(stage))).toEqual(wanted);
    // The segments of the second wait for BQL.
    const queue = events.filter(({ layer }) => layer === 'qdisc').map(({ stage }) => stage);
    expect(queue).toContain('qdisc_requeue');
    expect(queue).toContain('qdisc_dequeue');
    expect(world.finish()).toEqual([]);
  });
});
