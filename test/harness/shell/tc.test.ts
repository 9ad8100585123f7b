/**
 * `tc qdisc`: what is printed for tbf, the fifos and pfifo_fast, and most errors, are recorded from iproute2 6.1 on
 * Linux 6.18; the other kinds are not built into that kernel and follow iproute2's format by its documentation.
 */
import { describe, expect, it } from 'vitest';
import {
  formatRate,
  formatSize,
  parseRate,
  parseSize,
  parseTime,
  TcError,
  tc,
  tcCommand,
} from '../../../harness/shell/tc.ts';
import { QueueBench } from '../../kernel/net/sched/queue.ts';

const ZERO = ` Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n backlog 0b 0p requeues 0\n`;

describe('show', () => {
  it.each([
    ['tbf rate 1mbit burst 32kbit latency 400ms', 'rate 1Mbit burst 4Kb lat 400ms '],
    [
      'tbf rate 1mbit burst 32kb limit 100kb peakrate 2mbit mtu 1600',
      'rate 1Mbit burst 32Kb peakrate 2Mbit minburst 1600b lat 557ms ',
    ],
    ['tbf rate 2mbit burst 100 limit 10kb', 'rate 2Mbit burst 100b lat 40.6ms '],
    ['pfifo limit 10', 'limit 10p'],
    ['bfifo limit 10000', 'limit 10000b'],
    ['pfifo', 'limit 1000p'],
    ['pfifo_fast', 'bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1'],
    ['prio', 'bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1'],
    [
      'netem delay 100ms 10ms 25% loss 1% duplicate 2% corrupt 0.1% rate 1mbit',
      'limit 1000 delay 100ms  10ms 25% loss 1% duplicate 2% corrupt 0.1% rate 1Mbit',
    ],
  ])('%s', (words, options) => {
    const b = new QueueBench();
    b.tc(`qdisc replace dev eth0 root handle 1: ${words}`);
    expect(b.tc('-s qdisc show dev eth0')).toBe(`qdisc ${words.split(' ')[0]} 1: root refcnt 2 ${options}\n${ZERO}`);
    b.finish();
  });

  it('fq, with its own statistics', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq');
    b.send(100);
    expect(b.tc('-s qdisc show dev eth0').split('\n')).toEqual([
      'qdisc fq 8001: root refcnt 2 limit 10000p flow_limit 100p buckets 1024 orphan_mask 1023 bands 3 ' +
        'priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1 weights 589824 196608 65536 quantum 3028b initial_quantum 15140b ' +
        'low_rate_threshold 550Kbit refill_delay 40ms timer_slack 10us horizon 10s horizon_drop ',
      ' Sent 100 bytes 1 pkt (dropped 0, overlimits 0 requeues 0) ',
      ' backlog 0b 0p requeues 0',
      '  flows 0 (inactive 0 throttled 0)',
      '  gc 0 fastpath 1 throttled 0',
      '',
    ]);
    const words = 'limit 50 flow_limit 5 buckets 64 nopacing maxrate 8mbit ce_threshold 3ms horizon_cap';
    b.tc(`qdisc change dev eth0 root fq ${words}`);
    expect(b.tc('qdisc show dev eth0')).toMatch(
      / limit 50p flow_limit 5p buckets 64 .* nopacing .* maxrate 8Mbit .* ce_threshold 3ms .* horizon_cap /,
    );
    expect(() => b.tc('qdisc change dev eth0 root fq buckets 63')).toThrow('-22');
    b.finish();
  });

  it('fq_codel, with its own statistics', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root fq_codel');
    b.send(100);
    expect(b.tc('-s qdisc show dev eth0').split('\n')).toEqual([
      'qdisc fq_codel 8001: root refcnt 2 limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms memory_limit 32Mb ecn drop_batch 64 ',
      ' Sent 100 bytes 1 pkt (dropped 0, overlimits 0 requeues 0) ',
      ' backlog 0b 0p requeues 0',
      '  maxpacket 0 drop_overlimit 0 new_flow_count 0 ecn_mark 0',
      '  new_flows_len 0 old_flows_len 0',
      '',
    ]);
    b.finish();
  });

  it('a tree, and every device', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: prio');
    b.tc('qdisc add dev eth0 parent 1:1 handle 10: pfifo limit 5');
    const devices = [b.kernel.init_net.loopback_dev as typeof b.dev, b.dev];
    expect(b.exec(() => tc(devices, 'tc qdisc show')).output).toBe(
      'qdisc noqueue 0: dev lo root refcnt 2 \n' +
        'qdisc prio 1: dev eth0 root refcnt 2 bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1\n' +
        'qdisc pfifo 10: dev eth0 parent 1:1 limit 5p\n',
    );
    b.finish();
  });
});

describe('errors of the kernel', () => {
  it.each([
    ['add dev eth0 root prio', 'an exclusive add where there is one of the kind', -17],
    ['add dev eth0 root handle 1: pfifo', 'the same handle', -17],
    ['add dev eth0 root handle 2: pfifo', 'another handle', -17],
    ['add dev eth0 parent 1:9 pfifo', 'no such class', -2],
    ['add dev eth0 parent 2:1 pfifo', 'no such parent', -2],
    ['add dev eth0 root nosuch', 'no such kind', -2],
    ['change dev eth0 root handle 1: tbf rate 1mbit burst 10kb limit 10kb', 'another kind', -22],
    ['del dev eth0 root handle 2:', 'another handle', -22],
    ['del dev eth0 root tbf', 'the wrong kind', -22],
    ['change dev eth0 parent 1:1 pfifo limit 6', 'a default child cannot be changed', -2],
    [
      'replace dev eth0 root tbf rate 2mbit burst 10kb limit 10kb peakrate 1mbit mtu 1500',
      'a peak below the rate',
      -22,
    ],
    ['replace dev eth0 root handle 1: prio bands 99', 'too many bands', -22],
    ['replace dev eth0 root handle 1:5 pfifo', 'another kind, whatever follows the colon', -22],
    ['add dev eth0 parent 1:1 mq', 'mq below another', -95],
    ['replace dev eth0 root mq', 'mq on one queue', -95],
  ])('%s: %s', (line, _why, errno) => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: prio');
    expect(b.exec(() => tc([b.dev], `qdisc ${line}`)).error).toBe(errno);
    // Nothing half-done.
    expect(b.tc('qdisc show dev eth0')).toContain('qdisc prio 1: root refcnt 2 bands 3');
    b.send();
    expect(b.sent).toHaveLength(1);
    b.finish();
  });

  it('the default, nothing to delete', () => {
    const b = new QueueBench();
    expect(b.exec(() => tc([b.dev], 'qdisc del dev eth0 root')).error).toBe(-2);
    expect(b.exec(() => tc([b.dev], 'qdisc change dev eth0 root pfifo')).error).toBe(-2);
    b.finish();
  });

  it('a child of a discipline without classes', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: pfifo');
    expect(b.exec(() => tc([b.dev], 'qdisc add dev eth0 parent 1:1 pfifo')).error).toBe(-95);
    b.finish();
  });

  it('another kind and no handle: add and change put a new one in its place (seen of Linux)', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 5: pfifo');
    b.tc('qdisc change dev eth0 root bfifo limit 5k');
    expect(b.tc('qdisc show dev eth0')).toBe('qdisc bfifo 8001: root refcnt 2 limit 5Kb\n');
    b.tc('qdisc add dev eth0 root pfifo limit 7');
    expect(b.tc('qdisc show dev eth0')).toMatch(/^qdisc pfifo 800\d: root refcnt 2 limit 7p\n$/);
    b.tc('qdisc replace dev eth0 root handle 6:1 tbf rate 1mbit burst 10k limit 10k');
    expect(b.tc('qdisc show dev eth0')).toContain('qdisc tbf 6: root');
    b.finish();
  });

  it('a discipline moved below itself: it may not move at all', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: prio');
    expect(b.exec(() => tc([b.dev], 'qdisc replace dev eth0 parent 1:1 handle 1: prio')).error).toBe(-22);
    b.finish();
  });
});

describe('errors of tc', () => {
  it.each([
    'qdisc add dev eth1 root pfifo',
    'qdisc add root pfifo',
    'qdisc add dev eth0 root',
    'qdisc add dev eth0 root pfifo limit',
    'qdisc add dev eth0 root pfifo limit many',
    'qdisc add dev eth0 root tbf rate 1mbit',
    'qdisc add dev eth0 root tbf rate fast burst 1kb limit 1kb',
    'qdisc add dev eth0 root tbf rate 1mbit burst 1kb',
    'qdisc add dev eth0 root tbf rate 1mbit burst 1kb limit 1kb latency 1s',
    'qdisc add dev eth0 root tbf rate 1mbit burst 1kb limit 1kb peakrate 2mbit',
    'qdisc add dev eth0 root netem reorder 50%',
    'qdisc add dev eth0 root netem loss 101%',
    'qdisc add dev eth0 root netem delay 1ms distribution gaussian',
    'qdisc add dev eth0 root fq_codel colour blue',
    'qdisc add dev eth0 root handle x pfifo',
    'qdisc frobnicate dev eth0',
    'filter show',
  ])('%s', line => {
    const b = new QueueBench();
    expect(() => b.exec(() => tc([b.dev], line))).toThrow(TcError);
    b.finish();
  });
});

describe('tc as a program', () => {
  it.each([
    ['qdisc add dev eth0 root pfifo', 'Error: Exclusivity flag on, cannot modify.', 2],
    ['qdisc add dev eth0 root handle 5: pfifo', 'Error: NLM_F_REPLACE needed to override.', 2],
    ['qdisc change dev eth0 root handle 5: pfifo', 'Error: NLM_F_REPLACE needed to override.', 2],
    ['qdisc del dev eth0 root handle 6:', 'Error: Invalid handle.', 2],
    ['qdisc del dev eth0 parent 7:1', 'Error: Failed to find qdisc with specified classid.', 2],
    ['qdisc add dev eth0 parent 7:1 pfifo', 'Error: Failed to find specified qdisc.', 2],
    ['qdisc add dev eth0 root nosuch', 'Error: Specified qdisc kind is unknown.', 2],
    ['qdisc add dev eth0 root', 'Error: Specified qdisc kind is unknown.', 2],
    ['qdisc add root pfifo', 'RTNETLINK answers: No such device', 2],
    ['qdisc add dev eth0 root handle foo: pfifo', 'Error: argument "foo:" is wrong: invalid qdisc ID', 255],
    ['qdisc add dev eth0 root pfifo foo', 'pfifo: unknown parameter "foo"', 1],
    ['qdisc add dev eth0 root bfifo limit foo', 'bfifo: Illegal value for "limit": "foo"', 1],
    ['qdisc add dev eth0 root prio foo', 'What is "foo"?', 1],
    ['qdisc add dev eth0 root pfifo_fast foo', "qdisc 'pfifo_fast' does not support option parsing", 1],
    ['qdisc add dev eth0 root tbf rate 1mbit burst 10k foo', 'tbf: unknown parameter "foo"', 1],
    ['qdisc add dev eth0 root tbf rate foo burst 10k limit 10k', 'tbf: illegal value for "rate": "foo"', 1],
    ['qdisc add dev eth0 root tbf rate 1mbit burst foo limit 10k', 'tbf: illegal value for "burst": "foo"', 1],
    ['qdisc add dev eth0 root tbf rate 1mbit burst 10k latency foo', 'tbf: illegal value for "latency": "foo"', 1],
    ['qdisc add dev eth0 root tbf burst 10k latency 50ms', 'tbf: the "rate" parameter is mandatory.', 1],
    ['qdisc add dev eth0 root tbf rate 1mbit latency 50ms', 'tbf: the "burst" parameter is mandatory.', 1],
    ['qdisc add dev eth0 root tbf rate 1mbit burst 10k', 'tbf: either "limit" or "latency" is required.', 1],
    ['qdisc add dev eth0 root netem loss foo', 'Unknown loss parameter: foo', 1],
    ['qdisc foo dev eth0', 'Command "foo" is unknown, try "tc qdisc help".', 255],
    ['qdisc del dev eth0 root handle 1: bfifo', 'Error: Invalid qdisc name: must match existing qdisc.', 2],
    ['foo', 'Object "foo" is unknown, try "tc help".', 255],
  ])('%s', (line, stderr, status) => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: pfifo');
    expect(b.exec(() => tcCommand([b.dev], line.split(' ')))).toEqual({ status, stdout: '', stderr: `${stderr}\n` });
    b.finish();
  });

  it('the default: nothing to delete, nothing to change', () => {
    const b = new QueueBench();
    const says = (line: string): string => b.exec(() => tcCommand([b.dev], line.split(' '))).stderr;
    expect(says('qdisc del dev eth0 root')).toBe('Error: Cannot delete qdisc with handle of zero.\n');
    expect(says('qdisc change dev eth0 root pfifo')).toBe(
      'Error: Qdisc not found. To create specify NLM_F_CREATE flag.\n',
    );
    b.finish();
  });

  it('shown in detail, and by the beginnings of words', () => {
    const b = new QueueBench();
    b.tc('qdisc add dev eth0 root handle 1: bfifo limit 10k');
    for (const line of ['q s dev eth0', '-d qdisc ls dev eth0', '-p qdisc']) {
      const { status, stdout } = b.exec(() => tcCommand([b.dev], line.split(' ')));
      expect([status, stdout.replace(' dev eth0', '')]).toEqual([0, 'qdisc bfifo 1: root refcnt 2 limit 10Kb\n']);
    }
    expect(b.exec(() => tcCommand([b.dev], ['-s', '-d', 'qdisc'])).stdout).toContain(' Sent 0 bytes 0 pkt');
    b.finish();
  });
});

describe('quantities', () => {
  it('rates, in bit/s and in bytes', () => {
    expect(['1mbit', '1Mibit', '8000', '1kbps', '2.5gbit'].map(text => parseRate(text))).toEqual([
      125_000, 131_072, 1000, 1000, 312_500_000,
    ]);
    expect([125_000, 1000, 125, 1_250_000_000].map(formatRate)).toEqual(['1Mbit', '8Kbit', '1Kbit', '10Gbit']);
  });

  it('sizes in binary units, times down to nanoseconds', () => {
    expect(['10k', '32kbit', '1mb', '1500b', '7'].map(text => parseSize(text, 'x'))).toEqual([
      10_240, 4096, 1_048_576, 1500, 7,
    ]);
    expect([4096, 1600, 33_554_432].map(formatSize)).toEqual(['4Kb', '1600b', '32Mb']);
    expect(['1s', '1.5ms', '10us', '10', '7ns'].map(text => parseTime(text, 'x'))).toEqual([1e9, 1.5e6, 1e4, 1e4, 7]);
  });
});
