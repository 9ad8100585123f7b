import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { main } from '../../harness/cli/main.ts';
import { registerCommands } from '../../harness/commands/index.ts';
import { Demo, runStart, startJson } from '../../harness/commands/start.ts';
import type { TraceEvent } from '../../harness/trace/event.ts';
import { journeyOf } from '../../harness/trace/journey.ts';
import { hostStatus } from '../../harness/trace/status.ts';
import { udpEcho, udpSend } from '../../harness/user/index.ts';
import { AF_PACKET, SOCK_RAW } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';

const bin = fileURLToPath(new URL('../../harness/ringside.mjs', import.meta.url));
const ETH_P_ALL = 3;

const send = (demo: Demo, message: string): TraceEvent[] => {
  demo.right.spawn('udpecho', udpEcho(7));
  const to = { address: '10.0.0.2', port: 7 };
  return demo.run('udpsend', udpSend({ to, messages: [message], wait: 1000 }));
};
const packetOf = (events: readonly TraceEvent[], stage: string): number =>
  events.find(event => event.stage === stage)?.packet ?? 0;
const wayOf = (events: readonly TraceEvent[], packet: number): string[] =>
  events.filter(event => event.packet === packet).map(({ host, stage }) => `${host} ${stage}`);

/** When the sender's card is done; in no order with what the receiver does. */
const CLEAN_UP = ['left dma_unmap_single', 'left consume_skb'];
const DOWN = [
  'left sendto',
  'left udp_sendmsg',
  'left skb_put_data',
  'left ip_local_out',
  'left ip_output',
  'left ip_finish_output2',
];
const OUT = [
  'left dev_queue_xmit',
  'left validate_xmit_skb',
  'left dev_hard_start_xmit',
  'left dma_map_single',
  'left ndo_start_xmit',
  'left tx_gather',
  'left tx_start',
  'left tx_done',
  'wire0 wire',
];
const CARD = ['right frame_arrived', 'right rx_filter', 'right rx_stored', 'right rx_dma', 'right rx_done'];
const UP = [
  'right napi_gro_receive',
  'right netif_receive_skb',
  'right ip_rcv',
  'right ip_rcv_finish',
  'right ip_local_deliver',
  'right udp_rcv',
  'right sock_queue_rcv_skb',
  'right sk_data_ready',
  'right try_to_wake_up',
  'right skb_copy_datagram_msg',
  'right consume_skb',
  'right recvfrom',
];

describe('a datagram from a program to a program', () => {
  test('small: every stage, in order, under one identity, through the copybreak copy', () => {
    const demo = new Demo({ seed: 1 });
    demo.ping(1, () => {});
    const events = send(demo, 'hello');
    const packet = packetOf(events, 'udp_sendmsg');
    const way = wayOf(events, packet).filter(stage => !CLEAN_UP.includes(stage));
    expect(way).toEqual([...DOWN, ...OUT, ...CARD, 'right dma_sync_single_for_cpu', 'right skb_put_data', ...UP]);
    const inOrder = journeyOf(packet, events)
      .events.filter(({ text }) => !text.includes('released'))
      .map(({ stage }) => stage);
    const landmarks = [
      'wire',
      'frame_arrived',
      'irq',
      'irq_handler_entry',
      'napi_schedule',
      'net_rx_action',
      'netif_receive_skb',
      'ip_rcv',
      'ip_local_deliver',
      'udp_rcv',
      'sock_queue_rcv_skb',
      'recvfrom',
    ];
    expect(inOrder.filter(stage => landmarks.includes(stage))).toEqual(landmarks);
    expect(demo.world.finish()).toEqual([]);
  });

  test('large: the same without a copy', () => {
    const demo = new Demo({ seed: 1 });
    demo.ping(1, () => {});
    const events = send(demo, 'x'.repeat(1000));
    const way = wayOf(events, packetOf(events, 'udp_sendmsg')).filter(stage => !CLEAN_UP.includes(stage));
    expect(way).toEqual([...DOWN, ...OUT, ...CARD, 'right dma_unmap_single', ...UP]);
  });

  test('to an unknown neighbour: it waits, and the question is its child, the answer its grandchild', () => {
    const demo = new Demo({ seed: 1 });
    const events = send(demo, 'hello');
    const packet = packetOf(events, 'udp_sendmsg');
    const question = events.find(({ text }) => text.includes('ARP, Request'));
    const answer = events.find(({ text }) => text.includes('ARP, Reply'));
    expect(wayOf(events, packet)).toContain('left neigh_event_send');
    expect(question?.parent).toBe(packet);
    expect(answer?.parent).toBe(question?.packet);
  });

  test('with a tap on the way: the tap gets a clone with an identity of its own, child of the original', () => {
    const demo = new Demo({ seed: 1 });
    demo.ping(1, () => {});
    demo.right.spawn('tap', function* (sys: Syscalls): Program {
      const fd = yield* sys.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
      const buffer = sys.mmap(2048);
      for (;;) yield* sys.recvfrom(fd, buffer, 2048, 0, null);
    });
    const events = send(demo, 'hello');
    const packet = packetOf(events, 'udp_sendmsg');
    const clone = events.find(({ stage, parent }) => stage === 'skb_clone' && parent === packet)?.packet ?? 0;
    expect(clone).not.toBe(0);
    expect(wayOf(events, clone)).toEqual([
      'right skb_clone',
      'right skb_copy_datagram_msg',
      'right consume_skb',
      'right recvfrom',
    ]);
    expect(wayOf(events, packet)).toContain('right packet_rcv');
    // The sender gets its buffer back when the interrupt for it comes, which may be late.
    const way = wayOf(events, packet);
    expect(way.filter(stage => stage.startsWith('right')).at(-1)).toBe('right recvfrom');
    expect(way.slice(-2)).toEqual(['left dma_unmap_single', 'left consume_skb']);
    expect(demo.world.finish()).toEqual([]);
  });

  test('over the loopback: down and up again under one identity', () => {
    const demo = new Demo({ seed: 1 });
    demo.left.spawn('udpecho', udpEcho(7));
    const to = { address: '127.0.0.1', port: 7 };
    const events = demo.run('udpsend', udpSend({ to, messages: ['hello'], wait: 10 }));
    const way = wayOf(events, packetOf(events, 'udp_sendmsg'));
    const landmarks = ['sendto', 'dev_hard_start_xmit', 'netif_rx', 'ip_rcv', 'udp_rcv', 'recvfrom'];
    expect(way.filter(each => landmarks.includes(each.slice(5)))).toEqual(landmarks.map(stage => `left ${stage}`));
    expect(demo.world.finish()).toEqual([]);
  });

  test('for a port that nobody has: dropped with Linux’s reason', () => {
    const demo = new Demo({ seed: 1 });
    const to = { address: '10.0.0.2', port: 9 };
    const events = demo.run('udpsend', udpSend({ to, messages: ['hello'], wait: 10 }));
    const packet = packetOf(events, 'udp_sendmsg');
    expect(events.find(event => event.packet === packet && event.drop !== '')).toMatchObject({
      host: 'right',
      stage: 'kfree_skb_reason',
      drop: 'NO_SOCKET',
    });
    expect(hostStatus(demo.right).drops).toEqual({ NO_SOCKET: 1 });
  });
});

describe('a tracer', () => {
  const hashOf = (trace: boolean, seed = 1): string => {
    const demo = new Demo({ seed, hash: true });
    if (!trace) demo.tracer.detach();
    demo.ping(2, () => {});
    send(demo, 'hello');
    demo.world.finish();
    return demo.world.hash?.digest() ?? '';
  };

  test('on or off: the same run hash', () => {
    expect(hashOf(true)).toBe(hashOf(false));
  });

  test('keeps the detectors’ slots', () => {
    const demo = new Demo({ seed: 1 });
    const { trace } = demo.left.kernel;
    const watcher = trace.dma_coherent_store;
    expect(watcher).not.toBeNull();
    demo.tracer.detach();
    expect(trace.dma_coherent_store).toBe(watcher);
    expect(trace.ip_rcv).toBeNull();
  });
});

describe('ringside start', () => {
  test('tells the whole story, and what is left at the end', () => {
    let text = '';
    runStart(new Demo({ seed: 1 }), false, more => {
      text += more;
    });
    for (const part of [
      /^left pings right/m,
      /64 bytes from 10\.0\.0\.2: icmp_seq=3/,
      /3 packets transmitted, 3 received, 0% packet loss/,
      /udpecho\[\d+\] gets 11 bytes/,
      /answer of 1000 bytes/,
      /^What left looks like now$/m,
      /registers +CTRL [0-9a-f]{8}h RXE TXE/,
      /receive: head 7, tail \d+ of 256/,
      /PSTART 46h, PSTOP 50h, CURR 47h/,
      // Seven frames came in; of seven sent ones some were told of with them.
      /interrupts +10: +10 +eth0/,
      /softirqs +NET_TX 3, NET_RX 10/,
      /NAPI +eth0: 10 polls, 7 frames/,
      /rx_packets 7/,
    ]) {
      expect(text).toMatch(part);
    }
    expect(text).not.toContain('\u001b');
    const lines = text.split('\n');
    expect(lines.length).toBeLessThan(170);
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(120);
  });

  test('--json: state, frames, output', () => {
    const state = startJson(new Demo({ seed: 1, hash: true })) as Record<string, unknown>;
    expect(state).toMatchObject({
      seed: 1,
      hosts: [{ name: 'left', drops: {} }, { name: 'right' }],
      findings: [],
      violations: 0,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(state.frames).toHaveLength(14);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });

  test('as a process, where standard output is no terminal: ends with status 0', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'start'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/No leak, no misuse/);
  });

  test.each([
    [['--onse'], /unknown option '--onse' \(Did you mean --once\?\)/],
    [['--seed', '-1'], /A seed is a whole number/],
    [['x'], /too many arguments/],
  ])('%j: status 2', async (args, message) => {
    let err = '';
    const output = {
      out: () => {},
      err: (text: string) => {
        err += text;
      },
    };
    expect(await main(['start', ...args], registerCommands, output)).toBe(2);
    expect(err).toMatch(message);
  });
});
