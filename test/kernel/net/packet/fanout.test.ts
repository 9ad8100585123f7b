import { describe, expect, it } from 'vitest';
import { SO_RCVBUF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import {
  AF_PACKET,
  CMSG_PACKET_AUXDATA,
  cmsg,
  MSG_DONTWAIT,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_ll,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import {
  PACKET_AUXDATA,
  PACKET_FANOUT,
  PACKET_ROLLOVER_STATS,
  SOL_PACKET,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from '../../../../kernel/net/packet/af_packet.ts';
import {
  PACKET_FANOUT_CPU,
  PACKET_FANOUT_FLAG_ROLLOVER,
  PACKET_FANOUT_FLAG_UNIQUEID,
  PACKET_FANOUT_HASH,
  PACKET_FANOUT_LB,
  PACKET_FANOUT_QM,
  PACKET_FANOUT_RND,
  PACKET_FANOUT_ROLLOVER,
} from '../../../../kernel/net/packet/fanout.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { Poller, stream, tagged, tcpFrame, udpFrame } from '../rx.ts';
import { Segment } from '../segment.ts';

type Step<T> = Generator<undefined, T, undefined>;
const ETH_P_IP = 0x800;
const ETH_P_ALL = 3;

function* join(sys: Syscalls, fd: number, value: number): Step<number> {
  const opt = new sockopt();
  opt.value = value;
  return yield* sys.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, opt);
}

function* drain(sys: Syscalls, fd: number, buffer: number): Step<number[]> {
  const lengths: number[] = [];
  for (;;) {
    const n = yield* sys.recv(fd, buffer, 2048, MSG_DONTWAIT);
    if (n < 0) return lengths;
    lengths.push(n);
  }
}

/** Opens `members` sockets of a group, lets `traffic` come, and gives what each has got. */
function group(members: number, type_flags: number, traffic: (segment: Segment) => void, rcvbuf = 0) {
  const segment = new Segment();
  const result = { counts: [] as number[], value: 0, rollover: [] as number[] };
  const gate = { open: false };
  segment.host.spawn('group', function* (sys) {
    const fds: number[] = [];
    const opt = new sockopt();
    for (let i = 0; i < members; i++) {
      const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_IP);
      opt.value = rcvbuf;
      if (rcvbuf > 0) yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, opt);
      if ((yield* join(sys, fd, 7 | (type_flags << 16))) !== 0) throw new Error('no member');
      fds.push(fd);
    }
    yield* sys.getsockopt(fds[0] as number, SOL_PACKET, PACKET_FANOUT, opt);
    result.value = opt.value;
    while (!gate.open) yield* sys.nanosleep(1000);
    const buffer = sys.mmap(2048);
    for (const fd of fds) {
      result.counts.push((yield* drain(sys, fd, buffer)).length);
      if ((yield* sys.getsockopt(fd, SOL_PACKET, PACKET_ROLLOVER_STATS, opt)) === 0) result.rollover.push(opt.value);
    }
    return 0;
  });
  segment.world.sim.run(segment.world.sim.time + 1000);
  traffic(segment);
  gate.open = true;
  segment.wait(0.001);
  expect(segment.net.core.fanout).toEqual([]);
  expect(segment.net.ptype_base[0]?.length).toBe(1);
  segment.finish();
  return result;
}

const flows = (count: number, each: number) => (segment: Segment) => {
  for (let n = 0; n < each; n++)
    for (let flow = 0; flow < count; flow++) segment.receive(udpFrame({ sport: 1000 + flow }));
};

describe('PACKET_FANOUT', () => {
  it('HASH, each flow at one member, and all of them used', () => {
    const { counts, value } = group(4, PACKET_FANOUT_HASH, flows(64, 3));
    expect(value).toBe(7);
    expect(counts.reduce((a, b) => a + b)).toBe(192);
    expect(counts.every(n => n > 0 && n % 3 === 0)).toBe(true);
  });

  it('LB, one after the other', () => {
    expect(group(4, PACKET_FANOUT_LB, flows(1, 100)).counts).toEqual([25, 25, 25, 25]);
  });

  it('RND, about as many', () => {
    const { counts } = group(4, PACKET_FANOUT_RND, flows(1, 400));
    expect(counts.reduce((a, b) => a + b)).toBe(400);
    expect(counts.every(n => n > 60 && n < 140)).toBe(true);
  });

  it('CPU and QM, the CPU’s and the queue’s', () => {
    expect(group(4, PACKET_FANOUT_CPU, flows(5, 2)).counts).toEqual([10, 0, 0, 0]);
    const queues = (segment: Segment): void => {
      for (let queue = 0; queue < 6; queue++)
        segment.receive(udpFrame(), segment.dev, skb => {
          skb.queue_mapping = queue;
        });
    };
    expect(group(4, PACKET_FANOUT_QM, queues).counts).toEqual([2, 2, 1, 1]);
  });

  it('ROLLOVER, the next one when one is full; with all full dropped there', () => {
    const { counts, rollover } = group(3, PACKET_FANOUT_ROLLOVER, flows(1, 30), 4000);
    expect(counts.reduce((a, b) => a + b)).toBeLessThan(30);
    expect(Math.min(...counts)).toBeGreaterThan(3);
    expect(rollover[0]).toBeGreaterThan(10);
  });

  it('HASH with rollover, a flow that overflows goes to others', () => {
    const { counts } = group(3, PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER, flows(1, 30), 4000);
    expect(counts.filter(n => n > 0).length).toBeGreaterThan(1);
  });

  it('what does not fit is refused; a unique id is found; the group goes with its last member', () => {
    const segment = new Segment();
    let done = false;
    segment.host.spawn('test', function* (sys) {
      const a = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_IP);
      const b = yield* sys.socket(AF_PACKET, SOCK_DGRAM, ETH_P_ALL);
      const idle = yield* sys.socket(AF_PACKET, SOCK_DGRAM, 0);
      expect(yield* join(sys, a, 1 | (99 << 16))).toBe(-22);
      expect(yield* join(sys, a, 1 | ((PACKET_FANOUT_ROLLOVER | PACKET_FANOUT_FLAG_ROLLOVER) << 16))).toBe(-22);
      expect(yield* join(sys, idle, 1)).toBe(-22);
      expect(yield* join(sys, a, 1)).toBe(0);
      expect(yield* join(sys, a, 1)).toBe(-114);
      // Another type of packet, another way to choose, other flags.
      expect(yield* join(sys, b, 1)).toBe(-22);
      expect(yield* join(sys, b, 1 | (PACKET_FANOUT_LB << 16))).toBe(-22);
      expect(yield* join(sys, b, 1 | (PACKET_FANOUT_FLAG_ROLLOVER << 16))).toBe(-22);
      expect(yield* join(sys, b, PACKET_FANOUT_FLAG_UNIQUEID << 16)).toBe(0);
      expect(yield* sys.bind(a, new sockaddr_ll(0, ETH_P_IP))).toBe(-22);
      expect(segment.net.core.fanout.length).toBe(2);
      yield* sys.close(a);
      yield* sys.close(b);
      expect(segment.net.core.fanout.length).toBe(0);
      done = true;
      return 0;
    });
    segment.wait(0.001);
    expect(done).toBe(true);
    segment.finish();
  });
});

describe('a tap', () => {
  it('a tag that was taken out, told in PACKET_AUXDATA', () => {
    const segment = new Segment();
    const got: number[][] = [];
    segment.host.spawn('tap', function* (sys) {
      const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
      const opt = new sockopt();
      opt.value = 1;
      yield* sys.setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, opt);
      const msg = new user_msghdr();
      msg.base = sys.mmap(2048);
      msg.length = 2048;
      msg.control = new cmsg();
      for (;;) {
        const n = yield* sys.recvmsg(fd, msg, 0);
        const c = msg.control;
        got.push([n, c.present & CMSG_PACKET_AUXDATA, c.tp_status, c.tp_vlan_tci, c.tp_vlan_tpid]);
      }
    });
    segment.settle();
    const frame = udpFrame({ payload: stream(0, 50) });
    segment.receive(tagged(frame, 0x2007));
    segment.receive(frame);
    expect(got.filter(([n]) => n === frame.length)).toEqual([
      [
        frame.length,
        CMSG_PACKET_AUXDATA,
        TP_STATUS_USER | TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID,
        0x2007,
        0x8100,
      ],
      [frame.length, CMSG_PACKET_AUXDATA, TP_STATUS_USER, 0, 0],
    ]);
    segment.finish();
  });

  it('SOCK_RAW and SOCK_DGRAM, whole merged packets, cut to what fits', () => {
    const segment = new Segment();
    const poller = new Poller(segment);
    const got: string[] = [];
    segment.host.spawn('taps', function* (sys) {
      const raw = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_IP);
      const dgram = yield* sys.socket(AF_PACKET, SOCK_DGRAM, ETH_P_IP);
      const buffer = sys.mmap(2048);
      for (;;) {
        for (const fd of [raw, dgram]) {
          const n = yield* sys.recv(fd, buffer, 2048, 0);
          got.push(`${n} ${sys.task.kernel.ram.u8[buffer + n - 1]}`);
        }
      }
    });
    segment.settle();
    poller.poll(
      tcpFrame({ payload: stream(0, 200) }, { id: 1 }),
      tcpFrame({ seq: 200, payload: stream(200, 200) }, { id: 2 }),
    );
    segment.wait(0.001);
    const last = stream(399, 1)[0];
    expect(got).toEqual([`454 ${last}`, `440 ${last}`]);
    poller.napi.gro.cleanup();
    segment.finish();
  });
});
