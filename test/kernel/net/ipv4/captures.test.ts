/** What a real Linux 6.18 host answered, frame by frame (shared captures): ours must be the same bytes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCapture } from '../../../../harness/wire/pcap/read.ts';
import { A_MAC, B_MAC, hex, Segment } from '../segment.ts';

function frames(name: string): Uint8Array[] {
  const file = new URL(`../../../data/captures/${name}`, import.meta.url);
  return [...readCapture(readFileSync(file), name).frames].map(frame => frame.data);
}

const from = (frame: Uint8Array): string => hex(frame.subarray(6, 12));
const type = (frame: Uint8Array): number => ((frame[12] as number) << 8) | (frame[13] as number);

/** Without what a host is free to choose: identification, and the header checksum that follows from it. */
function comparable(frame: string): string {
  if (frame.slice(24, 28) !== '0800') return frame;
  return `${frame.slice(0, 36)}____${frame.slice(40, 48)}____${frame.slice(52)}`;
}

describe('ping4.pcap', () => {
  it('a question for us, five echoes, and two of 4000 bytes in fragments, each answered as Linux did', () => {
    const all = frames('ping4.pcap').filter(frame => type(frame) !== 0x86dd);
    const ours: string[] = [];
    const theirs: string[] = [];
    const segment = new Segment();
    for (const frame of all) {
      if (from(frame) === B_MAC) theirs.push(hex(frame));
      else segment.receive(frame);
    }
    ours.push(...segment.take());
    expect(theirs).toHaveLength(12);
    expect(ours.map(comparable)).toEqual(theirs.map(comparable));
    expect(segment.net.ipv4.mib).toMatchObject({
      IcmpInEchos: 7,
      IcmpOutEchoReps: 7,
      IpInDelivers: 7,
      IpOutRequests: 7,
      IpReasmOKs: 2,
      IpFragOKs: 2,
      IpFragCreates: 6,
    });
    segment.finish();
  });
});

describe('udp-closed.pcap', () => {
  it('six datagrams to closed ports answered, eleven met with silence, as Linux did', () => {
    const file = new URL('../../../data/captures/udp-closed.pcap', import.meta.url);
    const all = readCapture(readFileSync(file), 'udp-closed.pcap').frames.filter(({ data }) => type(data) === 0x0800);
    const segment = new Segment();
    // In the capture the neighbours know each other.
    segment.receive(frames('ping4.pcap').find(frame => type(frame) === 0x0806) as Uint8Array);
    segment.take();
    const ours: string[] = [];
    const theirs: string[] = [];
    // In their order and at their times: an answer stands behind its question.
    let last = all[0]?.timeNs ?? 0;
    for (const { data, timeNs } of all) {
      if (from(data) === B_MAC) theirs.push(comparable(hex(data)));
      else {
        segment.wait((timeNs - last) / 1e9);
        last = timeNs;
        segment.receive(data);
        ours.push(...segment.take().map(comparable));
      }
    }
    expect(theirs).toHaveLength(6);
    expect(ours).toEqual(theirs);
    expect(segment.net.ipv4.mib).toMatchObject({
      UdpNoPorts: 17,
      IcmpOutDestUnreachs: 6,
      IcmpOutRateLimitHost: 11,
      IcmpOutRateLimitGlobal: 0,
    });
    segment.finish();
  });

  it("nmap's odd echoes (code 9, TOS 4) answered as Linux did", () => {
    const all = frames('nmap.pcap').filter(frame => type(frame) === 0x0800 && frame[23] === 1);
    const asked = all.filter(frame => from(frame) === A_MAC);
    // Port unreachables are left out: its UDP probes are not in this list.
    const theirs = all.filter(frame => from(frame) === B_MAC && frame[34] === 0);
    const segment = new Segment();
    segment.receive(frames('ping4.pcap').find(frame => type(frame) === 0x0806) as Uint8Array);
    segment.take();
    for (const frame of asked) segment.receive(frame);
    expect(segment.take().map(comparable)).toEqual(theirs.map(frame => comparable(hex(frame))));
    segment.finish();
  });
});

describe('http-refused.pcap', () => {
  it("A's SYN for a port where nobody listens: the reset that Linux sent", () => {
    const all = frames('http-refused.pcap').filter(frame => type(frame) === 0x0800);
    const segment = new Segment();
    segment.receive(frames('ping4.pcap').find(frame => type(frame) === 0x0806) as Uint8Array);
    segment.take();
    segment.receive(all.find(frame => from(frame) === A_MAC) as Uint8Array);
    const theirs = all.filter(frame => from(frame) === B_MAC);
    expect(theirs).toHaveLength(1);
    // Every byte: a reset has neither identification nor anything else that is free.
    expect(segment.take()).toEqual(theirs.map(hex));
    segment.finish();
  });
});

describe('nmap.pcap', () => {
  it('its TCP probes to closed ports, each answered as Linux did', () => {
    const all = frames('nmap.pcap').filter(frame => type(frame) === 0x0800 && frame[23] === 6);
    const port = (frame: Uint8Array, at: number): number => ((frame[at] as number) << 8) | (frame[at + 1] as number);
    // Ports that never answered with SYN/ACK were closed; what is said on the others is a host's own affair.
    const open = new Set(
      all.filter(frame => from(frame) === B_MAC && frame[47] === 0x12).map(frame => port(frame, 34)),
    );
    const asked = all.filter(frame => from(frame) === A_MAC && !open.has(port(frame, 36)));
    const theirs = all.filter(frame => from(frame) === B_MAC && !open.has(port(frame, 34)));
    expect(asked.length).toBeGreaterThan(10);
    const segment = new Segment();
    segment.receive(frames('ping4.pcap').find(frame => type(frame) === 0x0806) as Uint8Array);
    segment.take();
    for (const frame of asked) segment.receive(frame);
    expect(segment.take().sort()).toEqual(theirs.map(hex).sort());
    segment.finish();
  });
});
