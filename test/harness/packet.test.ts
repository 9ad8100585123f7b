import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv4, formatIpv6, formatMac, PacketError, parseIpv4, parseMac } from '../../harness/packet/address.ts';
import { buildArp, parseArp } from '../../harness/packet/arp.ts';
import { checkFrame } from '../../harness/packet/check.ts';
import { internetChecksum } from '../../harness/packet/checksum.ts';
import { describeFrame } from '../../harness/packet/describe.ts';
import {
  buildEthernet,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  type EthernetFrame,
  parseEthernet,
} from '../../harness/packet/ethernet.ts';
import { buildIcmp, buildIcmpEcho, parseIcmp } from '../../harness/packet/icmp.ts';
import {
  buildIpv4Packet,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  parseIpv4Packet,
} from '../../harness/packet/ipv4.ts';
import { parseIpv6 } from '../../harness/packet/ipv6.ts';
import { parseTcp } from '../../harness/packet/tcp.ts';
import { buildUdp, parseUdp, udpChecksumOk } from '../../harness/packet/udp.ts';
import { readCapture } from '../../harness/wire/pcap/read.ts';
import { testWith } from '../needs.ts';

const folder = new URL('../data/captures/', import.meta.url);
const captures = readdirSync(folder)
  .filter(name => name.endsWith('.pcap'))
  .map(name => ({
    name,
    frames: readCapture(readFileSync(new URL(name, folder)), name).frames.map(each => each.data),
  }));
const allFrames = captures.flatMap(({ name, frames }) =>
  frames.map((frame, index) => ({ frame, at: `${name} ${index}` })),
);

const A = { mac: '02:00:00:00:00:01', ip: '10.1.0.1' };
const B = { mac: '02:00:00:00:00:02', ip: '10.1.0.2' };
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

function ipv4Frame(fields: Partial<Parameters<typeof buildIpv4Packet>[0]>): Uint8Array {
  const packet = { source: A.ip, destination: B.ip, protocol: PROTOCOL_ICMP, payload: new Uint8Array(), ...fields };
  return buildEthernet({
    destination: B.mac,
    source: A.mac,
    etherType: ETHERTYPE_IPV4,
    payload: buildIpv4Packet(packet),
  });
}

describe('all frames that Linux sent', () => {
  test('are as many as their README says', () => {
    expect(Object.fromEntries(captures.map(({ name, frames }) => [name.replace('.pcap', ''), frames.length]))).toEqual({
      dns: 5,
      'http-lossy': 213,
      'http-refused': 3,
      http: 226,
      nmap: 225,
      ping4: 28,
      ping6: 25,
      'udp-closed': 24,
    });
  });

  test('have right lengths and checksums, all of them', () => {
    for (const { frame, at } of allFrames) expect({ at, problems: checkFrame(frame) }).toEqual({ at, problems: [] });
  });

  test('one flipped bit behind the Ethernet header is found, wherever a checksum covers it', () => {
    for (const { frame } of allFrames.filter((_, index) => index % 20 === 0)) {
      const { etherType, payload } = parseEthernet(frame);
      if (etherType !== ETHERTYPE_IPV4) continue;
      const { moreFragments, fragmentOffset, totalLength } = parseIpv4Packet(payload);
      const covered = moreFragments || fragmentOffset > 0 ? 20 : totalLength;
      for (let at = 14; at < 14 + covered; at += 7) {
        const flipped = Uint8Array.from(frame);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        expect(checkFrame(flipped), `byte ${at}`).not.toEqual([]);
      }
    }
  });

  test('parsed and built again they are equal: ARP, IPv4, ICMP, UDP', () => {
    const built = { arp: 0, icmp: 0, echo: 0, udp: 0, other: 0 };
    for (const { frame, at } of allFrames) {
      const ethernet = parseEthernet(frame);
      let { payload } = ethernet;
      if (ethernet.etherType === ETHERTYPE_ARP) {
        payload = buildArp(parseArp(payload));
        built.arp++;
      } else if (ethernet.etherType === ETHERTYPE_IPV4) {
        const { checksum: _, totalLength, ...packet } = parseIpv4Packet(payload);
        let inner = packet.payload;
        if (!packet.moreFragments && packet.fragmentOffset === 0) {
          if (packet.protocol === PROTOCOL_ICMP) {
            const { checksum: _, ...message } = parseIcmp(inner);
            inner = buildIcmp(message);
            built.icmp++;
            const { type, code, identifier, sequence } = message;
            if ((type === 8 || type === 0) && code === 0) {
              inner = buildIcmpEcho({ type, identifier, sequence, payload: message.payload });
              built.echo++;
            }
          } else if (packet.protocol === PROTOCOL_UDP) {
            const { checksum: _, ...datagram } = parseUdp(inner);
            inner = buildUdp(datagram, packet);
            built.udp++;
          }
        }
        payload = buildIpv4Packet({ ...packet, payload: inner });
        expect(payload.length, at).toBe(totalLength);
      } else {
        built.other++;
      }
      expect(Buffer.compare(buildEthernet({ ...ethernet, payload }), frame), at).toBe(0);
    }
    for (const count of Object.values(built)) expect(count).toBeGreaterThan(3);
  });
});

describe('build and parse', () => {
  const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(bytes => formatMac(bytes));
  const anyIp = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(bytes => formatIpv4(bytes));
  const u16 = fc.nat(0xffff);
  const anyTag = fc.record({
    tpid: fc.constantFrom(0x8100, 0x88a8),
    priority: fc.nat(7),
    dropEligible: fc.boolean(),
    id: fc.nat(4095),
  });

  test('Ethernet with tags', () => {
    const anyFrame = fc.record({
      destination: anyMac,
      source: anyMac,
      vlans: fc.array(anyTag, { maxLength: 3 }),
      etherType: u16.filter(type => type >= 0x600 && type !== 0x8100 && type !== 0x88a8),
      payload: fc.uint8Array(),
    });
    fc.assert(
      fc.property(anyFrame, frame => {
        expect(parseEthernet(buildEthernet(frame))).toEqual(frame);
      }),
    );
  });

  test('padding reaches 60 bytes, and IPv4 does not take it for payload', () => {
    const frame: Omit<EthernetFrame, 'vlans'> = {
      destination: B.mac,
      source: A.mac,
      etherType: ETHERTYPE_IPV4,
      payload: buildIpv4Packet({ source: A.ip, destination: B.ip, protocol: 200, payload: ascii('x') }),
    };
    const padded = buildEthernet(frame, { pad: true });
    expect(padded).toHaveLength(60);
    expect(parseIpv4Packet(parseEthernet(padded).payload).payload).toEqual(ascii('x'));
  });

  test('802.3: the length says where the payload ends', () => {
    const bytes = buildEthernet(
      { destination: B.mac, source: A.mac, etherType: 3, payload: ascii('abc') },
      { pad: true },
    );
    expect(parseEthernet(bytes).payload).toEqual(ascii('abc'));
    expect(describeFrame(bytes)).toBe('02:00:00:00:00:01 > 02:00:00:00:00:02, 802.3, length 3');
  });

  test('IPv4, UDP and ICMP', () => {
    const anyPacket = fc.record({
      typeOfService: fc.nat(255),
      identification: u16,
      dontFragment: fc.boolean(),
      moreFragments: fc.boolean(),
      fragmentOffset: fc.nat(0x1fff).map(units => units * 8),
      timeToLive: fc.nat(255),
      protocol: fc.nat(255),
      source: anyIp,
      destination: anyIp,
      options: fc.nat(10).map(words => new Uint8Array(words * 4).fill(1)),
      payload: fc.uint8Array(),
    });
    fc.assert(
      fc.property(anyPacket, u16, u16, (packet, sourcePort, destinationPort) => {
        expect(parseIpv4Packet(buildIpv4Packet(packet))).toMatchObject({ ...packet, checksumOk: true });
        const udp = buildUdp({ sourcePort, destinationPort, payload: packet.payload }, packet);
        expect(parseUdp(udp)).toMatchObject({ sourcePort, destinationPort, payload: packet.payload });
        expect(udpChecksumOk(udp, packet)).toBe(true);
        const echo = { type: 8, identifier: sourcePort, sequence: destinationPort, payload: packet.payload } as const;
        expect(parseIcmp(buildIcmpEcho(echo))).toMatchObject({ ...echo, code: 0, checksumOk: true });
      }),
    );
  });

  test('a UDP sum of zero is sent as all ones; one that was left out is right', () => {
    const addresses = { source: A.ip, destination: B.ip };
    const zeroPort = buildUdp({ sourcePort: 0, destinationPort: 0, payload: Uint8Array.of(0, 0) }, addresses);
    const sum = parseUdp(zeroPort).checksum;
    const payload = Uint8Array.of(sum >>> 8, sum & 255);
    const datagram = buildUdp({ sourcePort: 0, destinationPort: 0, payload }, addresses);
    expect(parseUdp(datagram).checksum).toBe(0xffff);
    expect(udpChecksumOk(datagram, addresses)).toBe(true);
    const without = buildUdp({ sourcePort: 1, destinationPort: 2, payload, checksum: 0 }, addresses);
    expect(parseUdp(without).checksum).toBe(0);
    expect(udpChecksumOk(without, addresses)).toBe(true);
  });

  test('a checksum that is given stands', () => {
    const packet = buildIpv4Packet({ source: A.ip, destination: B.ip, protocol: 1, payload: ascii(''), checksum: 7 });
    expect(parseIpv4Packet(packet)).toMatchObject({ checksum: 7, checksumOk: false });
    expect(parseIcmp(buildIcmp({ type: 8, code: 0, rest: 0, payload: ascii(''), checksum: 7 })).checksumOk).toBe(false);
  });

  test('what a header cannot hold is refused', () => {
    const packet = { source: A.ip, destination: B.ip, protocol: 1 };
    const payload = ascii('');
    expect(() => buildIpv4Packet({ ...packet, payload: new Uint8Array(65516) })).toThrow(/packet of 65536 bytes/);
    expect(() => buildIpv4Packet({ ...packet, payload, fragmentOffset: 4 })).toThrow(/fragment offset 4/);
    expect(() => buildIpv4Packet({ ...packet, payload, options: ascii('x') })).toThrow(/options of 1 bytes/);
    expect(() => buildIpv4Packet({ ...packet, payload, source: '10.1' })).toThrow(PacketError);
    expect(() => buildUdp({ sourcePort: 1, destinationPort: 2, payload: new Uint8Array(65528) }, packet)).toThrow(
      /UDP datagram of 65536 bytes/,
    );
  });
});

describe('checksum', () => {
  test('the example of RFC 1071, and the ends of the range', () => {
    const sum = internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7));
    expect(sum).toBe(0xffff - 0xddf2);
    expect(internetChecksum()).toBe(0xffff);
    expect(internetChecksum(new Uint8Array(65536).fill(0xff))).toBe(0);
    expect(internetChecksum(Uint8Array.of(0x12))).toBe(0xffff - 0x1200);
  });

  test('data with its own sum in place sums to zero', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2 }), data => {
        const bytes = Uint8Array.from(data);
        bytes.set([0, 0]);
        const sum = internetChecksum(bytes);
        bytes.set([sum >>> 8, sum & 255]);
        expect(internetChecksum(bytes)).toBe(0);
      }),
    );
  });
});

describe('addresses', () => {
  test('text and back', () => {
    expect(formatMac(parseMac('02:00:00:AB:cd:ff'))).toBe('02:00:00:ab:cd:ff');
    expect(formatIpv4(parseIpv4('255.0.10.1'))).toBe('255.0.10.1');
    for (const text of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.4 ', '0x1.2.3.4']) {
      expect(() => parseIpv4(text)).toThrow(PacketError);
    }
    for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:0', '02-00-00-00-00-00', '02:00:00:00:00:00:']) {
      expect(() => parseMac(text)).toThrow(PacketError);
    }
  });

  test.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['fe800000000000000000000000000000', 'fe80::'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db80000000100000000000000ab', '2001:db8:0:1::ab'],
  ])('IPv6 %s is %s', (hex, text) => {
    expect(formatIpv6(Buffer.from(hex, 'hex'))).toBe(text);
  });
});

describe('describeFrame', () => {
  const arp = (operation: number, targetMac = '00:00:00:00:00:00'): Uint8Array =>
    buildEthernet({
      destination: 'ff:ff:ff:ff:ff:ff',
      source: A.mac,
      etherType: ETHERTYPE_ARP,
      payload: buildArp({ operation, senderMac: A.mac, senderIp: A.ip, targetMac, targetIp: B.ip }),
    });
  const echo = buildIcmpEcho({ type: 8, identifier: 1, sequence: 2, payload: new Uint8Array(56) });
  const udp = buildUdp(
    { sourcePort: 4000, destinationPort: 7, payload: ascii('hello') },
    { source: A.ip, destination: B.ip },
  );
  const quoted = buildIpv4Packet({ source: A.ip, destination: B.ip, protocol: PROTOCOL_UDP, payload: udp });
  const unreachable = (code: number, payload = quoted): Uint8Array =>
    ipv4Frame({ payload: buildIcmp({ type: 3, code, rest: 0, payload }) });
  const tagged = { tpid: 0x8100, priority: 5, dropEligible: false, id: 42 };

  test.each([
    ['ARP request', arp(1), 'ARP, Request who-has 10.1.0.2 tell 10.1.0.1, length 28'],
    ['ARP probe to one', arp(1, B.mac), 'ARP, Request who-has 10.1.0.2 (02:00:00:00:00:02) tell 10.1.0.1, length 28'],
    ['ARP reply', arp(2), 'ARP, Reply 10.1.0.1 is-at 02:00:00:00:00:01, length 28'],
    ['ARP of another kind', arp(9), 'ARP, operation 9, 10.1.0.1 to 10.1.0.2, length 28'],
    ['echo', ipv4Frame({ payload: echo }), 'IP 10.1.0.1 > 10.1.0.2: ICMP echo request, id 1, seq 2, length 64'],
    ['UDP', ipv4Frame({ payload: udp, protocol: 17 }), 'IP 10.1.0.1.4000 > 10.1.0.2.7: UDP, length 5'],
    ['port unreachable', unreachable(3), 'IP 10.1.0.1 > 10.1.0.2: ICMP 10.1.0.2 udp port 7 unreachable, length 41'],
    ['host unreachable', unreachable(1), 'IP 10.1.0.1 > 10.1.0.2: ICMP host 10.1.0.2 unreachable, length 41'],
    [
      'first fragment',
      ipv4Frame({ payload: echo, moreFragments: true, identification: 9 }),
      'IP 10.1.0.1 > 10.1.0.2: ICMP echo request, id 1, seq 2, length 64 (fragment id 9, offset 0, more follow)',
    ],
    [
      'last fragment',
      ipv4Frame({ payload: echo, fragmentOffset: 64, identification: 9 }),
      'IP 10.1.0.1 > 10.1.0.2: icmp, length 64 (fragment id 9, offset 64, the last)',
    ],
    [
      'first fragment of a datagram',
      ipv4Frame({ payload: udp.subarray(0, 8), protocol: 17, moreFragments: true, identification: 9 }),
      'IP 10.1.0.1.4000 > 10.1.0.2.7: UDP, length 5 (fragment id 9, offset 0, more follow)',
    ],
    ['other protocol', ipv4Frame({ protocol: 89 }), 'IP 10.1.0.1 > 10.1.0.2: ip-proto-89, length 0'],
    [
      'VLAN',
      buildEthernet({ ...parseEthernet(ipv4Frame({ payload: echo })), vlans: [tagged] }),
      'vlan 42, p 5, IP 10.1.0.1 > 10.1.0.2: ICMP echo request, id 1, seq 2, length 64',
    ],
    [
      'other ethertype',
      buildEthernet({ destination: B.mac, source: A.mac, etherType: 0x88cc, payload: ascii('abc') }),
      '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88cc, length 3',
    ],
    ['nothing', ascii(''), 'truncated Ethernet header: 0 of 14 bytes (frame of 0 bytes)'],
    ['ARP cut', arp(1).subarray(0, 30), 'truncated ARP packet: 16 of 28 bytes (frame of 30 bytes)'],
    ['UDP cut', ipv4Frame({ payload: udp.subarray(0, 9), protocol: 17 }), /^truncated UDP datagram: 9 of 13 bytes/],
    ['quote cut', unreachable(3, quoted.subarray(0, 12)), /^truncated IPv4 header: 12 of 20 bytes/],
    [
      'not version 4',
      ipv4Frame({}).map((byte, at) => (at === 14 ? 0x55 : byte)),
      /^malformed IPv4 packet of version 5/,
    ],
    [
      'header too short',
      ipv4Frame({}).map((byte, at) => (at === 14 ? 0x44 : byte)),
      /^malformed IPv4 header length 16/,
    ],
  ])('%s', (_, frame, text) => {
    if (typeof text === 'string') expect(describeFrame(frame)).toBe(text);
    else expect(describeFrame(frame)).toMatch(text);
  });

  test('real frames cut short or changed at random: a line, never an exception; parsers throw PacketError only', () => {
    const change = fc.record({ at: fc.nat(), value: fc.nat(255) });
    fc.assert(
      fc.property(
        fc.constantFrom(...allFrames.map(each => each.frame)),
        fc.nat(120),
        fc.array(change, { maxLength: 4 }),
        (frame, length, changes) => {
          const bytes = Uint8Array.from(frame).subarray(0, length);
          for (const { at, value } of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
          expect(describeFrame(bytes)).toMatch(/^\S.*\S$/);
          checkFrame(bytes);
          for (const parse of [parseEthernet, parseArp, parseIpv4Packet, parseIpv6, parseIcmp, parseUdp, parseTcp]) {
            try {
              parse(bytes.subarray(14));
            } catch (error) {
              expect(error).toBeInstanceOf(PacketError);
            }
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  testWith('tcpdump')('says what tcpdump says about ARP, ICMP, TCP and UDP over IPv4', () => {
    let compared = 0;
    for (const { name, frames } of captures) {
      const path = fileURLToPath(new URL(name, folder));
      const { stdout } = spawnSync('tcpdump', ['-r', path, '-t', '-nn', '-S'], { encoding: 'utf8' });
      const theirs = stdout.trimEnd().split('\n');
      expect(theirs).toHaveLength(frames.length);
      frames.forEach((frame, index) => {
        const line = theirs[index] ?? '';
        const ours = describeFrame(frame);
        const { etherType, payload } = parseEthernet(frame);
        if (etherType === ETHERTYPE_IPV4) {
          const { moreFragments, fragmentOffset, protocol, payload: inner } = parseIpv4Packet(payload);
          if (moreFragments || fragmentOffset > 0) return;
          // tcpdump goes on into what UDP and TCP carry.
          if (protocol === PROTOCOL_UDP && line.includes('.53')) return;
          if (protocol === PROTOCOL_TCP) {
            expect(line.startsWith(ours), `${name}: ${line}\n${ours}`).toBe(true);
            if (parseTcp(inner).payload.length === 0) expect(ours).toBe(line);
            compared++;
            return;
          }
        } else if (etherType !== ETHERTYPE_ARP) return;
        expect(ours).toBe(line);
        compared++;
      });
    }
    expect(compared).toBeGreaterThan(600);
  });
});
