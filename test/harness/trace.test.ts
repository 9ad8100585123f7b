import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadCapture } from '../../harness/cli/input.ts';
import { main } from '../../harness/cli/main.ts';
import { parseFilter, parseHost } from '../../harness/cli/options.ts';
import { registerCommands } from '../../harness/commands/index.ts';
import { parseRate, runTrace, sentCapture, summaryLines, type TraceOptions } from '../../harness/commands/trace.ts';
import { describeFrame } from '../../harness/packet/describe.ts';
import { compareAnswers } from '../../harness/trace/answers.ts';
import type { TraceEvent } from '../../harness/trace/event.ts';
import { EventOrder } from '../../harness/trace/event.ts';
import { formatTime } from '../../harness/trace/lines.ts';
import { type ReplayConfig, replay } from '../../harness/trace/replay.ts';
import { hook } from '../../harness/trace/slots.ts';
import { readCapture } from '../../harness/wire/pcap/read.ts';

const captureFile = (name: string): string => fileURLToPath(new URL(`../data/captures/${name}.pcap`, import.meta.url));
const bin = fileURLToPath(new URL('../../harness/ringside.mjs', import.meta.url));
const HOST = '02:00:00:00:00:02,10.1.0.2/24';
const host = parseHost(HOST);
const options: TraceOptions = { as: host, seed: 1, rate: 1e9, memory: 4 };
const config: ReplayConfig = { host, seed: 1, rate: 1e9, memory: 4096, costs: false, hash: true };

/** The stages of one packet, and of nothing else. */
const stagesOf = (events: readonly TraceEvent[], packet: number): string[] =>
  events.filter(event => event.packet === packet).map(event => event.stage);

/** What `ringside trace` prints of ping4.pcap. */
function printed(extra: Partial<TraceOptions>): string[] {
  const out: string[] = [];
  runTrace(loadCapture(captureFile('ping4')), { ...options, ...extra }, false, text => out.push(text));
  return out.join('').split('\n');
}

function traced(name: string, extra: Partial<ReplayConfig> = {}) {
  const events: TraceEvent[] = [];
  const result = replay(loadCapture(captureFile(name)), {
    ...config,
    ...extra,
    onEvents: more => events.push(...more),
  });
  return { events, result };
}

describe('ping4.pcap, in the place of the host that was pinged', () => {
  const { events, result } = traced('ping4');

  test('the ARP reply and the first five echo replies equal the ones that Linux gave', () => {
    const { sent, comparison } = result;
    const equal = sent
      .filter((_, index) => (comparison.pairs[index] ?? -1) >= 0)
      .map(({ data }) => describeFrame(data));
    expect(equal.slice(0, 6)).toEqual([
      'ARP, Reply 10.1.0.2 is-at 02:00:00:00:00:02, length 28',
      ...[1, 2, 3, 4, 5].map(
        sequence => `IP 10.1.0.2 > 10.1.0.1: ICMP echo reply, id 18293, seq ${sequence}, length 64`,
      ),
    ]);
    expect(comparison.theirs).toBe(15);
  });

  test('each stage of an echo request and of its answer is named, in order', () => {
    const request = events.find(({ text }) => text.includes('echo request, id 18293, seq 1'))?.packet ?? 0;
    const reply = result.sent.find(({ parent }) => parent === request)?.packet ?? 0;
    expect(stagesOf(events, request)).toEqual([
      'wire',
      'frame_arrived',
      'rx_filter',
      'rx_stored',
      'rx_dma',
      'rx_done',
      'dma_sync_single_for_cpu',
      'skb_put_data',
      'napi_gro_receive',
      'netif_receive_skb',
      'ip_rcv',
      'ip_rcv_finish',
      'ip_local_deliver',
      'icmp_rcv',
      'consume_skb',
    ]);
    expect(stagesOf(events, reply)).toEqual([
      'ip_local_out',
      'ip_output',
      'ip_finish_output2',
      ...stagesOf(events, reply).filter(stage => stage === 'neigh_update'),
      'dev_queue_xmit',
      'validate_xmit_skb',
      'dev_hard_start_xmit',
      'dma_map_single',
      'ndo_start_xmit',
      'tx_gather',
      'tx_start',
      'tx_done',
      'wire',
      'dma_unmap_single',
      'consume_skb',
    ]);
  });

  test('interrupt and poll stand between card and stack, without a packet', () => {
    const start = events.findIndex(({ text }) => text.includes('echo request, id 18293, seq 1'));
    const end = events.findIndex(({ stage }, index) => index > start && stage === 'icmp_rcv');
    const between = events.slice(start, end).filter(({ packet }) => packet === 0);
    expect(between.map(({ stage }) => stage)).toEqual([
      'irq',
      'irq_handler_entry',
      'napi_schedule',
      'raise_softirq',
      'irq',
      'irq_handler_exit',
      'net_rx_action',
    ]);
  });

  test('a frame for nobody here ends in the card, with the card’s reason', () => {
    const drop = events.find(({ drop }) => drop === 'filtered');
    expect(drop).toMatchObject({ layer: 'card', stage: 'rx_dropped', host: 'us', cpu: -1 });
    expect(stagesOf(events, drop?.packet ?? 0)).toEqual(['wire', 'frame_arrived', 'rx_dropped']);
    expect(result.cardDrops).toEqual({ filtered: 1 });
    expect(result.status.cards[0]?.counters).toMatchObject({ FILT: 1 });
  });

  test('events come in order of time', () => {
    const times = events.map(({ time }) => time);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test('nothing is found by the detectors', () => {
    expect(result.findings).toEqual([]);
    expect(result.violations).toBe(0);
  });

  test('tracing on or off: the same run hash; another rate: another', () => {
    const capture = loadCapture(captureFile('ping4'));
    expect(result.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(replay(capture, config).hash).toBe(result.hash);
    expect(replay(capture, { ...config, rate: 1e8 }).hash).not.toBe(result.hash);
  });

  test('with costs on, the same answers, later', () => {
    const slow = traced('ping4', { costs: true }).result;
    expect(slow.comparison.equal).toBe(result.comparison.equal);
    expect(slow.sent[1]?.timeNs ?? 0).toBeGreaterThan(result.sent[1]?.timeNs ?? 0);
  });
});

describe('udp-closed.pcap, in the place of the host with the closed ports', () => {
  const { events, result } = traced('udp-closed');

  test('the first six port-unreachable answers equal the ones that Linux gave', () => {
    const { sent, comparison } = result;
    expect([...comparison.pairs.slice(0, 6)].every(pair => pair >= 0)).toBe(true);
    expect(comparison.equal).toBe(6);
    for (const { data } of sent.slice(0, 6)) expect(describeFrame(data)).toMatch(/udp port \d+ unreachable/);
  });

  test('each datagram ends with a reason, its answer is its child', () => {
    const [first] = result.sent;
    const drop = events.find(({ packet, drop }) => packet === first?.parent && drop !== '');
    expect(drop).toMatchObject({ stage: 'kfree_skb_reason', drop: 'NO_SOCKET' });
    expect(stagesOf(events, first?.parent ?? 0)).toContain('icmp_send');
    expect(result.answered).toBe(result.sent.length);
  });
});

describe('the text', () => {
  const capture = loadCapture(captureFile('ping4'));

  test('has a line a stage, no escape codes without colour, and at most 120 columns but for long descriptions', () => {
    let text = '';
    const result = runTrace(capture, options, false, more => {
      text += more;
    });
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(
      /^ +0\.905262880 wire0 {6}#4 {5}98 bytes from peer: IP 10\.1\.0\.1 > 10\.1\.0\.2: ICMP echo request/m,
    );
    expect(text).toMatch(/^ +0\.9\d+ us:cpu0 {4}#5<4 {3}ip_local_out {10}10\.1\.0\.2 > 10\.1\.0\.1, ICMP/m);
    const stages = text.split('\n').filter(line => !line.includes('wire0'));
    expect(Math.max(...stages.map(line => line.length))).toBeLessThanOrEqual(120);
    const summary = summaryLines(result, options, false).join('\n');
    expect(summary).toMatch(/frames +13 fed, \d+ answered/);
    expect(summary).toMatch(/\d+ of 15 answers equal the capture's/);
    expect(summary).toMatch(/card drops +filtered 1/);
  });

  test('--limit 2: the first two packets and nothing of the others; all are fed', () => {
    let text = '';
    const result = runTrace(capture, { ...options, limit: 2 }, false, more => {
      text += more;
    });
    expect(text).toContain('#3<2');
    expect(text).not.toContain('#4');
    expect(result.fed).toBe(13);
  });

  test('--json: one object a line', () => {
    let text = '';
    runTrace(capture, { ...options, json: true, limit: 1 }, false, more => {
      text += more;
    });
    const objects = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as TraceEvent);
    expect(objects[0]).toEqual({
      time: 816,
      sequence: 1,
      host: 'wire0',
      cpu: -1,
      stage: 'wire',
      layer: 'wire',
      packet: 1,
      parent: 0,
      skb: 0,
      text: expect.stringContaining('90 bytes from peer: IP6 '),
      length: 90,
      drop: '',
      where: '',
      location: '',
    });
  });

  test('--peer: only that station’s frames are fed', () => {
    expect(runTrace(capture, { ...options, peer: '02:00:00:00:00:09' }, false, () => {}).fed).toBe(0);
    expect(runTrace(capture, { ...options, peer: '02:00:00:00:00:01' }, false, () => {}).fed).toBe(13);
  });

  test('what we sent is a capture with our times, without the card’s padding', () => {
    const result = runTrace(capture, options, false, () => {});
    const written = readCapture(sentCapture(capture, result, options), 'out');
    expect(written.frames.map(({ data }) => Buffer.from(data))).toEqual(
      result.sent.map(({ data }) => Buffer.from(data)),
    );
    expect(written.frames[0]?.data).toHaveLength(42);
    const first = capture.epochNs + BigInt(result.sent[0]?.timeNs ?? 0);
    expect(written.epochNs).toBe(first);
    expect(written.frames[0]?.comment).toMatch(/^packet #3, because of #2; equal to the capture's; padded to 60 bytes/);
  });
});

describe('the command line', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringside-trace-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  async function run(...args: string[]) {
    let out = '';
    let err = '';
    const status = await main(['trace', ...args], registerCommands, {
      out: text => {
        out += text;
      },
      err: text => {
        err += text;
      },
    });
    return { status, out, err };
  }

  test.each([
    ['no host', ['FILE'], /required option '--as <host>' not specified/],
    ['a host that is none', ['FILE', '--as', '02:00:00:00:00:02'], /--as <host>.* is invalid\. It lacks a part/],
    ['a group address', ['FILE', '--as', '01:00:5e:00:00:01,10.1.0.2/24'], /is a group address/],
    ['an unknown flag', ['FILE', '--as', HOST, '--colour'], /unknown option '--colour'/],
    ['no such file', ['no/file', '--as', HOST], /no\/file: cannot be read/],
    ['a file that is no capture', [fileURLToPath(import.meta.url), '--as', HOST], /not a capture file/],
    ['a rate without sense', ['FILE', '--as', HOST, '--rate', 'fast'], /A rate is 1M to 400G/],
    ['packet memory that is not made', ['FILE', '--as', HOST, '--memory', '8'], /It must be 4 or 16/],
    ['a peer that is no address', ['FILE', '--as', HOST, '--peer', 'x'], /--peer <mac>.* is invalid/],
    ['an output that cannot be written', ['FILE', '--as', HOST, '--out', 'no/folder/x'], /cannot be written/],
  ])('%s: status 2', async (_, args, message) => {
    const result = await run(...args.map(each => (each === 'FILE' ? captureFile('ping4') : each)));
    expect(result).toMatchObject({ status: 2, out: '' });
    expect(result.err).toMatch(message);
  });

  test('a truncated file: status 2, the older output stays, and nothing half-written', async () => {
    const cut = join(folder, 'cut.pcap');
    const out = join(folder, 'out.pcapng');
    writeFileSync(cut, readFileSync(captureFile('ping4')).subarray(0, 1001));
    writeFileSync(out, 'older');
    const { status, err } = await run(cut, '--as', HOST, '--out', out);
    expect(status).toBe(2);
    expect(err).toMatch(/truncated/);
    expect(readFileSync(out, 'utf8')).toBe('older');
    expect(readdirSync(folder).sort()).toEqual(['cut.pcap', 'out.pcapng']);
  });

  test('the capture itself as output: status 2, the capture stays', async () => {
    const both = join(folder, 'both.pcap');
    writeFileSync(both, readFileSync(captureFile('ping4')));
    const { status, err } = await run(both, '--as', HOST, '--out', both);
    expect(status).toBe(2);
    expect(err).toMatch(/is the capture that is read/);
    expect(readFileSync(both)).toEqual(readFileSync(captureFile('ping4')));
  });

  test('as a process: journeys and summary, status 0, a capture written', () => {
    const out = join(folder, 'out.pcapng');
    const args = [bin, 'trace', captureFile('udp-closed'), '--as', HOST, '--hash', '--limit', '1', '--out', out];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/dropped: NO_SOCKET/);
    expect(stdout).toMatch(/6 of 7 answers equal/);
    expect(stdout).toMatch(/run hash +[0-9a-f]{64}/);
    expect(existsSync(out)).toBe(true);
    expect(readCapture(readFileSync(out), out).frames.length).toBeGreaterThanOrEqual(6);
  });

  test.each([
    ['10M', 10e6],
    ['1000M', 1e9],
    ['2.5G', 2.5e9],
    ['100000k', 1e8],
    ['instant', 'instant'],
  ])('--rate %s', (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });
});

describe('comparing answers', () => {
  const udp = (port: number, text: string, id = 0): Uint8Array => {
    const frame = new Uint8Array(14 + 28 + text.length);
    const view = new DataView(frame.buffer);
    view.setUint16(12, 0x0800);
    view.setUint8(14, 0x45);
    view.setUint16(16, 28 + text.length);
    view.setUint16(18, id);
    view.setUint8(23, 17);
    view.setUint16(34, port);
    frame.set(new TextEncoder().encode(text), 42);
    return frame;
  };

  test('identification, header checksum and padding make no difference', () => {
    const ours = udp(1, 'a', 77);
    ours[24] = 9;
    const padded = new Uint8Array(60);
    padded.set(ours);
    expect(compareAnswers([padded], [udp(1, 'a')])).toMatchObject({ equal: 1, ours: 1, theirs: 1 });
  });

  test('a byte does', () => {
    expect(compareAnswers([udp(1, 'a')], [udp(1, 'b')]).equal).toBe(0);
  });

  test('what is missing or too many in between costs only itself', () => {
    const ours = ['a', 'b', 'x', 'c', 'd'].map(text => udp(1, text));
    const theirs = ['a', 'b', 'c', 'y', 'd', 'e'].map(text => udp(1, text));
    const { equal, pairs } = compareAnswers(ours, theirs);
    expect(equal).toBe(4);
    expect([...pairs]).toEqual([0, 1, -1, 2, 4]);
  });

  test('thousands of equal frames', () => {
    const frames = Array.from({ length: 3000 }, () => udp(1, 'a'));
    expect(compareAnswers(frames, frames.slice(1)).equal).toBe(2999);
  });

  test('flows do not disturb each other’s order; within one it counts', () => {
    expect(compareAnswers([udp(1, 'a'), udp(2, 'b')], [udp(2, 'b'), udp(1, 'a')]).equal).toBe(2);
    expect(compareAnswers([udp(1, 'a'), udp(1, 'b')], [udp(1, 'b'), udp(1, 'a')]).equal).toBe(1);
  });
});

describe('comparing what a capture holds', () => {
  /** An IPv4 frame as a reader hands it out: a Buffer, part of a larger one. */
  const captured = (totalLength: number, size = 60): Buffer => {
    const file = Buffer.alloc(size + 40, 0xaa);
    const frame = file.subarray(40);
    frame.set([8, 0, 0x45, 0, totalLength >> 8, totalLength & 255], 12);
    return frame;
  };

  test.each([0, 1, 19])('an answer whose total length says %d, compared in full', totalLength => {
    const frame = captured(totalLength);
    expect(compareAnswers([frame], [captured(totalLength)]).equal).toBe(1);
    const other = captured(totalLength);
    other[59] = 1;
    expect(compareAnswers([frame], [other]).equal).toBe(0);
  });

  test('a header that claims more than the frame has, compared as far as it goes', () => {
    const frame = captured(1500, 34);
    frame[14] = 0x4f;
    frame[23] = 17;
    expect(compareAnswers([frame], [frame]).equal).toBe(1);
  });

  test('the capture is as it was before', () => {
    const frame = captured(46);
    const before = Buffer.from(frame);
    compareAnswers([frame], [frame]);
    expect(frame.equals(before)).toBe(true);
  });
});

describe('slots that several observe', () => {
  test('the earlier observer is called first, and is alone again afterwards', () => {
    const calls: string[] = [];
    const slots: { seen: ((n: number) => void) | null } = { seen: n => void calls.push(`first ${n}`) };
    const before = slots.seen;
    const undo = hook(slots, 'seen', n => void calls.push(`second ${n}`));
    slots.seen?.(1);
    undo();
    slots.seen?.(2);
    expect(calls).toEqual(['first 1', 'second 1', 'first 2']);
    expect(slots.seen).toBe(before);
  });

  test('undone while another one sits on top: quiet, and the chain holds', () => {
    const calls: string[] = [];
    const slots: { seen: (() => void) | null } = { seen: null };
    const undo = hook(slots, 'seen', () => void calls.push('first'));
    hook(slots, 'seen', () => void calls.push('second'));
    undo();
    slots.seen?.();
    expect(calls).toEqual(['second']);
  });

  test('a slot with a result gives the first one that is not 0', () => {
    const slots: { id: ((at: number) => number) | null } = { id: at => (at === 1 ? 5 : 0) };
    hook(slots, 'id', () => 7);
    expect([slots.id?.(1), slots.id?.(2)]).toEqual([5, 7]);
  });
});

test('events out of order: handed on by time, then as they came, once nothing earlier can come', () => {
  const order = new EventOrder();
  const event = (time: number, sequence: number): TraceEvent => ({
    time,
    sequence,
    host: 'h',
    cpu: 0,
    stage: 's',
    layer: 'core',
    packet: 0,
    parent: 0,
    skb: 0,
    text: '',
    length: 0,
    drop: '',
    where: '',
    location: '',
  });
  for (const each of [event(30, 1), event(10, 2), event(10, 3), event(20, 4)]) order.push(each);
  expect(order.take(20).map(({ sequence }) => sequence)).toEqual([2, 3]);
  order.push(event(25, 5));
  expect(order.take(Infinity).map(({ sequence }) => sequence)).toEqual([4, 5, 1]);
});

test.each([
  [0, '  0.000000000'],
  [1_234_567_890, '  1.234567890'],
  [-5, ' -0.000000005'],
  [123_456_000_000_001, '123456.000000001'],
])('the time %d ns', (ns, text) => {
  expect(formatTime(ns)).toBe(text);
});

describe('--filter', () => {
  const second = parseFilter('icmp[icmptype] = icmp-echo and icmp[6:2] = 2 and ip[6:2] & 0x3fff = 0');

  test('prints the journey of what matches and of what it causes, and nothing else', () => {
    const lines = printed({ filter: second }).filter(line => line !== '');
    expect(lines[0]).toContain('echo request, id 18293, seq 2');
    expect(lines.filter(line => line.includes('wire0')).map(line => /request|reply/.exec(line)?.[0])).toEqual([
      'request',
      'reply',
    ]);
    const packets = new Set(lines.map(line => /#(\d+)/.exec(line)?.[1]));
    expect(packets.size).toBe(2);
    const all = printed({});
    expect(lines.every(line => all.includes(line))).toBe(true);
  });

  test('--limit counts the ones that match; the run is the same', () => {
    const requests = parseFilter('icmp[icmptype] = icmp-echo');
    const fed = (lines: string[]): number => lines.filter(line => line.includes('from peer')).length;
    expect(fed(printed({ filter: requests, limit: 3 }))).toBe(3);
    expect(fed(printed({ filter: requests }))).toBeGreaterThan(3);
    const [plain, filtered] = [{}, { filter: requests }].map(extra =>
      runTrace(loadCapture(captureFile('ping4')), { ...options, ...extra, hash: true }, false, () => {}),
    );
    expect(filtered?.hash).toBe(plain?.hash);
    expect(filtered?.fed).toBe(plain?.fed);
  });

  test('--peer is ourselves: a wrong use', () => {
    const [mac] = HOST.split(',') as [string];
    const run = spawnSync(process.execPath, [bin, 'trace', captureFile('ping4'), '--as', HOST, '--peer', mac], {
      encoding: 'utf8',
    });
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain(`--peer ${mac} is the host that --as makes us`);
  });

  test('a wrong expression is a wrong use, and says where', () => {
    const run = spawnSync(
      process.execPath,
      [bin, 'trace', captureFile('ping4'), '--as', HOST, '--filter', 'tcp porf 80'],
      {
        encoding: 'utf8',
      },
    );
    expect([run.status, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain('syntax error at "porf", at character 5');
  });
});

describe('--packet, --drops, --lanes, --counters, --boot', () => {
  test('--packet: the packet, what it came of, and the interrupts and polls that they came out of', () => {
    const { events, result } = traced('ping4');
    const reply = result.sent.find(({ parent }) => parent !== 0)?.packet ?? 0;
    const request = result.sent.find(({ packet }) => packet === reply)?.parent ?? 0;
    const lines = printed({ packet: reply }).filter(line => line !== '');
    const packets = new Set(lines.flatMap(line => /#(\d+)/.exec(line)?.[1] ?? []));
    expect([...packets].map(Number).sort((a, b) => a - b)).toEqual([request, reply]);
    const stages = lines.map(line => line.slice(32).split(' ')[0] as string);
    for (const { packet, stage, layer } of events) {
      if ((packet === reply || packet === request) && layer !== 'wire') expect(stages).toContain(stage);
    }
    expect(stages).toContain('irq_handler_entry');
    expect(stages).toContain('net_rx_action');
    expect(() => printed({ packet: 9999 })).toThrow(/--packet 9999: there is no such packet/);
  });

  test('--drops: one line for each packet that was dropped, with reason, stage and place', () => {
    const lines = printed({ drops: true }).filter(line => line !== '');
    const { events } = traced('ping4');
    const drops = events.filter(({ drop }) => drop !== '');
    expect(lines).toHaveLength(drops.length);
    expect(lines[0]).toMatch(/ #1 +rx_dropped +dropped: filtered in rx_filter$/);
    for (const event of drops) {
      expect(event.where).not.toBe('');
      if (event.layer !== 'card') expect(event.location).toMatch(/^[a-z_0-9]+$/);
    }
  });

  test('--lanes: 100 columns, every event a line, from left to right on the way up', () => {
    const lines = printed({ lanes: true }).filter(line => line !== '');
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(100);
    expect(lines).toHaveLength(traced('ping4').events.length);
    const column = (stage: string): number => lines.find(line => line.endsWith(` ${stage}`))?.indexOf('●') ?? -1;
    const way = ['wire', 'frame_arrived', 'rx_dma', 'napi_gro_receive', 'netif_receive_skb', 'ip_rcv', 'icmp_rcv'];
    const columns = way.map(column);
    expect(columns).toEqual([...columns].sort((a, b) => a - b));
    expect(new Set(columns).size).toBe(way.length);
  });

  test('--counters: packets, bytes and drops for each stage, as the events add up; no journeys', () => {
    const { events, result } = traced('udp-closed');
    expect(printed({ counters: true }).filter(line => line !== '')).toEqual([]);
    for (const { host, stage, seen, bytes, dropped, drops } of result.counters) {
      const here = events.filter(event => event.host === host && event.stage === stage && event.drop === '');
      expect([stage, here.length]).toEqual([stage, seen]);
      const sum = here.reduce((total, { packet, length }) => total + (packet === 0 ? 0 : length), 0);
      expect([stage, sum]).toEqual([stage, bytes]);
      const ended = events.filter(event => event.host === host && event.where === stage);
      expect([stage, ended.length]).toEqual([stage, dropped]);
      expect(Object.values(drops).reduce((a, b) => a + b, 0)).toBe(dropped);
    }
    const lines = summaryLines(result, { ...options, counters: true }, false);
    expect(lines.find(line => line.includes('udp_rcv'))).toMatch(/NO_SOCKET 17$/);
  });

  test('--packet: the lines are in the order of time, whichever packet it is', () => {
    for (const packet of [1, 2, 3, 4, 5, 8, 17]) {
      const times = printed({ packet })
        .filter(line => /^ +\d+\.\d{9} /.test(line))
        .map(line => Number.parseFloat(line));
      expect(times.length, `#${packet}`).toBeGreaterThan(1);
      expect([packet, times]).toEqual([packet, [...times].sort((a, b) => a - b)]);
    }
  });

  test('--boot: what comes before the first packet, at negative times', () => {
    const lines = printed({ boot: true, limit: 1 });
    for (const stage of ['pci_device_probe', 'request_irq', 'netif_napi_add', 'register_netdev', 'dev_open']) {
      expect(lines.find(line => line.includes(` ${stage} `))).toMatch(/^ +-0\.0/);
    }
    expect(printed({ limit: 1 }).some(line => line.includes('pci_device_probe'))).toBe(false);
  });
});
