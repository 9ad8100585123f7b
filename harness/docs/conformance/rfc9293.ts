/** RFC 9293: its requirements by their numbers (appendix B). */
import { UDP_RFC } from './files.ts';
import { and, asLinux, by, type Evidence, must, mustNot, none, noted, type Rfc, type Rule, rule } from './rules.ts';

const TCP = 'test/kernel/net/ipv4/tcp_';
const CLOSE = `${TCP}close.test.ts`;
const HANDSHAKE = `${TCP}handshake.test.ts`;
const HOSTS = `${TCP}hosts.test.ts`;
const ICMP = `${TCP}icmp.test.ts`;
const INPUT = `${TCP}input.test.ts`;
const OUTPUT = `${TCP}output.test.ts`;
const RECOVERY = `${TCP}recovery.test.ts`;
const IP_OPTIONS = `${TCP}ip_options.test.ts`;
const TIMER = `${TCP}timer.test.ts`;
const BIND = `${TCP}bind.test.ts`;
const CUBIC = `${TCP}cubic.test.ts`;
const C9293 = 'test/conformance/rfc9293.test.ts';

const SYN = 'SYN with an unknown option and one of length 0: as if they were not there (RFC 9293 MUST-6, MUST-7)';
const ANSWER = 'RFC 9293 MUST-14: SYN: SYN/ACK with its options; the third segment: a connection for accept';
const PROBED = 'MUST-36, SHLD-30: a closed window is probed, with exponential intervals; an open one is used at once';
const BROADCAST = 'a SYN from a broadcast address, or to one: no answer';
const REPEATED =
  'RFC 9293 MUST-22, MUST-23: nobody answers: the SYN again after 1, 2, 3, 4, 5, 7, 11, 19 s …, then ETIMEDOUT';
const SOURCE_ROUTE = 'RFC 9293 MUST-51, MUST-52: set before connect: the SYN goes to its first hop, and on from there';
const SILENT = 'no answers: probes with an old sequence number, then a RST and ETIMEDOUT';
const URGENT = 'MUST-30: the pointer is behind the urgent byte, on every segment before it';
const URGENT_READ = 'urgent data: POLLPRI, SIOCATMARK, MSG_OOB; it ends a read';

const m = (number: number, section: string, text: string, evidence: Evidence): Rule =>
  must(`MUST-${number} (${section})`, text, evidence);
const n = (number: number, section: string, text: string, evidence: Evidence): Rule =>
  mustNot(`MUST-${number} (${section})`, text, evidence);

export const RFC9293: Rfc = {
  number: 9293,
  title: 'Transmission Control Protocol (TCP)',
  intro: 'By the numbers of its appendix B.',
  rules: [
    m(
      1,
      '3.1',
      'the window is an unsigned number',
      by(C9293, 'RFC 9293 MUST-1: a window of 65,535 is that many bytes, not a negative number'),
    ),
    m(2, '3.1', 'the sender makes the checksum', and(by(HANDSHAKE, ANSWER))),
    m(
      3,
      '3.1',
      'the receiver checks it',
      by(HANDSHAKE, 'a wrong checksum, a short header, a data offset beyond the end: dropped and counted, no answer'),
    ),
    m(4, '3.2', 'end of list, no operation and MSS are understood', by(HANDSHAKE, ANSWER, SYN)),
    m(
      5,
      '3.1',
      'options are taken in any segment',
      by(INPUT, 'RFC 7323 5.3: an older timestamp: dropped and acknowledged, but not a RST'),
    ),
    m(6, '3.1', 'unknown options are ignored', by(HANDSHAKE, SYN)),
    m(7, '3.1', 'a wrong option length does no harm', by(HANDSHAKE, SYN)),
    m(
      8,
      '3.4.1',
      'initial sequence numbers follow a clock',
      by(C9293, 'RFC 9293 MUST-8: initial sequence numbers go on with a clock of 64 ns'),
    ),
    n(
      9,
      '3.4.1',
      'nobody outside can compute them',
      by(C9293, 'RFC 9293 MUST-9: initial sequence numbers of different connections say nothing of each other'),
    ),
    m(10, '3.5', 'simultaneous open', by(CLOSE, 'RFC 9293 MUST-10: SYNs cross: SYN_RECV, then the connection of both')),
    m(
      11,
      '3.5',
      'SYN-RECEIVED remembers whether it came from LISTEN or from SYN-SENT',
      and(
        by(HANDSHAKE, 'a segment out of the window for a request: an ACK; a RST in it: the request is gone'),
        by(CLOSE, 'RFC 9293 MUST-10: SYNs cross: SYN_RECV, then the connection of both'),
      ),
    ),
    m(
      12,
      '3.6',
      'the program hears of a connection that was aborted, and can tell it from one that was closed',
      by(CLOSE, 'a reset in ESTABLISHED: ECONNRESET once, then the end'),
    ),
    m(
      13,
      '3.6',
      'TIME-WAIT for twice the MSL',
      noted('60 s, as Linux.', by(CLOSE, 'ours first: FIN_WAIT1, FIN_WAIT2, TIME_WAIT for 60 s')),
    ),
    m(
      14,
      '3.7.1',
      'the MSS option is sent and understood',
      and(
        by(HANDSHAKE, ANSWER),
        by(CLOSE, 'RFC 9293 MUST-14: SYN with our options; SYN/ACK: ACK, and the socket is writable'),
      ),
    ),
    m(
      15,
      '3.7.1',
      'without the option, 536 bytes',
      by(C9293, 'RFC 9293 MUST-15: a SYN without MSS: segments of 536 bytes at most'),
    ),
    m(
      16,
      '3.7.1',
      'the size of segments is the smaller of what the peer takes and what the path lets through, less options',
      by(ICMP, 'RFC 1191: fragmentation needed: the segments again, and at once, as small as the path wants'),
    ),
    m(17, '3.7.4', 'a program can turn Nagle’s algorithm off', by(OUTPUT, 'TCP_NODELAY: each write at once')),
    m(
      18,
      '3.8.1',
      'Karn’s algorithm',
      by(TIMER, 'RFC 6298 (5.7) and Karn: the ACK of a retransmission is no sample; the next one ends the backing off'),
    ),
    m(
      19,
      '3.8.2',
      'slow start, congestion avoidance (RFC 5681), exponential back-off',
      and(
        by(OUTPUT, 'RFC 6928: ten segments at first, then two for each that is acknowledged'),
        by(CUBIC, 'half of the window after a loss, and one segment more each round trip'),
        by(RECOVERY, 'a real timeout: slow start over everything'),
        by(TIMER, 'RFC 6298 (2.2), (5.5): RTT 100 ms: the RTO is 300 ms, and doubles each time'),
      ),
    ),
    m(
      20,
      '3.8.3',
      'R1 and R2: after the first IP hears of it, after the second the connection is closed',
      by(TIMER, 'tcp_retries2 timeouts without an answer: ETIMEDOUT'),
    ),
    m(
      21,
      '3.8.3',
      'a program can set R2',
      by(TIMER, 'TCP_USER_TIMEOUT of 3 s: given up after it, whatever tcp_retries2 says'),
    ),
    m(22, '3.8.3', 'the same for SYNs', by(CLOSE, REPEATED)),
    m(
      23,
      '3.8.3',
      'R2 for a SYN: three minutes at least',
      asLinux('tcp_syn_retries 6: 127 s from the first SYN, less with linear time-outs.', by(CLOSE, REPEATED)),
    ),
    m(
      24,
      '3.8.4',
      'keep-alives are a program’s choice, connection by connection',
      by(TIMER, 'MUST-24, MUST-25: off until it is asked for'),
    ),
    m(25, '3.8.4', 'and off by default', by(TIMER, 'MUST-24, MUST-25: off until it is asked for')),
    m(26, '3.8.4', 'sent only after an interval without segments', by(TIMER, SILENT)),
    m(27, '3.8.4', 'the interval can be set', by(TIMER, SILENT)),
    m(
      28,
      '3.8.4',
      'two hours at least by default',
      noted(
        '7,200 s.',
        by(`${TCP}errno.test.ts`, 'errnos and poll masks of stream sockets, state by state: as on Linux'),
      ),
    ),
    n(29, '3.8.4', 'one probe without an answer is no dead connection', by(TIMER, SILENT)),
    m(30, '3.8.5', 'urgent data', and(by(OUTPUT, URGENT), by(HOSTS, URGENT_READ))),
    m(
      31,
      '3.8.5',
      'of any length',
      by(C9293, 'RFC 9293 MUST-31: 100,000 urgent bytes: every segment before their end says so'),
    ),
    m(32, '3.8.5', 'the program hears of it at once', by(HOSTS, URGENT_READ)),
    m(33, '3.8.5', 'and can learn whether there is more', by(HOSTS, URGENT_READ)),
    m(
      34,
      '3.8.6',
      'a window that shrinks does no harm',
      by(C9293, 'RFC 9293 MUST-34: the peer takes its window back: the connection goes on'),
    ),
    m(35, '3.8.6.1', 'a closed window is probed', by(TIMER, PROBED)),
    m(36, '3.8.6.1', 'by segments that go on until it opens', by(TIMER, PROBED)),
    m(
      37,
      '3.8.6.1',
      'a window may stay closed for as long as the peer answers',
      by(TIMER, 'MUST-37: the peer answers each probe: the connection stays for as long as it takes'),
    ),
    m(
      38,
      '3.8.6.2.1',
      'the sender avoids silly windows',
      by(TIMER, 'a window of less than a segment: the sender waits, then fills it'),
    ),
    m(
      39,
      '3.8.6.2.2',
      'the receiver avoids silly windows',
      by(HOSTS, 'a reader that does not read: the writer fills both buffers and waits; then everything arrives'),
    ),
    m(
      40,
      '3.8.6.3',
      'an ACK is delayed by less than half a second',
      by(INPUT, 'RFC 9293 MUST-40: a lone segment later: after 40 ms, not half a second'),
    ),
    n(
      41,
      '3.9.1.1',
      'a passive open changes nothing for connections that are there',
      by(C9293, 'RFC 9293 MUST-41: a passive open changes nothing for the connections that are there'),
    ),
    m(
      42,
      '3.9.1.1',
      'connections of the same local port with different peers, and a listener beside them',
      by(HOSTS, '100 connections in turn, and 50 at once'),
    ),
    m(
      43,
      '3.9.1.1',
      'a program can name the local address',
      by(BIND, 'one for an address and one for all: the nearer one has it'),
    ),
    m(
      44,
      '3.9.1.1',
      'where it does not, IP is asked for one',
      by(HOSTS, 'an echo: every byte comes back, once and in order'),
    ),
    m(45, '3.9.1.1', 'which the connection keeps', by(HOSTS, 'an echo: every byte comes back, once and in order')),
    n(
      46,
      '3.9.2.3',
      'no open to a broadcast or multicast address',
      by(C9293, 'RFC 9293 MUST-46: no connection to a broadcast or multicast address'),
    ),
    m(
      47,
      '3.9.1.8',
      'a way to hear of soft errors',
      by(
        ICMP,
        'RFC 9293 MUST-56: unreachable while connected: no abort; SO_ERROR tells of it',
        'IP_RECVERR: the error is pending at once',
      ),
    ),
    m(
      48,
      '3.9.1.9',
      'a program can set the DS field',
      by(C9293, 'RFC 9293 MUST-48, MUST-49: DS field and TTL are what the program says'),
    ),
    m(
      49,
      '3.9.2',
      'the TTL can be set',
      by(C9293, 'RFC 9293 MUST-48, MUST-49: DS field and TTL are what the program says'),
    ),
    m(
      50,
      '3.9.2.1',
      'IP options that TCP does not know are ignored',
      by(C9293, 'RFC 9293 MUST-50: IP options that mean nothing to TCP: the segment is taken'),
    ),
    m(51, '3.9.2.1', 'a program can name a source route', by(IP_OPTIONS, SOURCE_ROUTE)),
    m(52, '3.9.2.1', 'which counts more than one that was received', by(IP_OPTIONS, SOURCE_ROUTE)),
    m(
      53,
      '3.9.2.1',
      'otherwise the received one is reversed and used',
      and(
        by(IP_OPTIONS, 'RFC 9293 MUST-53: a SYN that came by one: everything goes back by it'),
        by(IP_OPTIONS, 'with SYN cookies: the route is that of the ACK'),
      ),
    ),
    m(
      54,
      '3.9.2.2',
      'TCP acts on ICMP errors about its segments',
      by(
        ICMP,
        'RFC 1191: fragmentation needed: the segments again, and at once, as small as the path wants',
        'RFC 5927: an error about a number that is not under way: counted, nothing else',
      ),
    ),
    m(55, '3.9.2.2', 'source quench is discarded in silence', by(ICMP, 'RFC 9293 MUST-55: source quench: nothing')),
    n(
      56,
      '3.9.2.2',
      'unreachables 0, 1, 5, time exceeded and parameter problem abort nothing',
      by(ICMP, 'RFC 9293 MUST-56: unreachable while connected: no abort; SO_ERROR tells of it'),
    ),
    m(57, '3.9.2.3', 'a SYN to a broadcast or multicast address is discarded in silence', by(HANDSHAKE, BROADCAST)),
    m(
      58,
      '3.8.6.3',
      'ACKs are put together where that is possible',
      by(INPUT, 'slow start of the other side: the first segments at once, later every second'),
    ),
    m(
      59,
      '3.8.6.3',
      'everything that waits is processed before an ACK is sent',
      by(INPUT, 'RFC 5681 4.2: the gap is filled: an ACK at once; everything is read, once and in order'),
    ),
    n(
      60,
      '3.9.1.2',
      'without a PUSH in the interface, data is not held back for ever',
      and(
        by(OUTPUT, 'TCP_CORK: only full segments, until it is taken off, or 200 ms have passed'),
        by(
          C9293,
          'RFC 9293 MUST-60, MUST-61: the last segment of what there is has PSH, and goes without more being written',
        ),
      ),
    ),
    m(
      61,
      '3.9.1.2',
      'and the last segment of what is there has PSH',
      by(
        C9293,
        'RFC 9293 MUST-60, MUST-61: the last segment of what there is has PSH, and goes without more being written',
      ),
    ),
    m(62, '3.8.5', 'the urgent pointer points behind the urgent data', by(OUTPUT, URGENT)),
    m(
      63,
      '3.9.2.3',
      'a SYN from an invalid address is ignored',
      and(
        by(HANDSHAKE, BROADCAST),
        noted(
          '',
          by(UDP_RFC, 'RFC 1122 4.1.3.6: an invalid source address (a group, a broadcast, 127.0.0.1): discarded'),
        ),
      ),
    ),
    m(64, '3.1', 'options at any alignment', by(HANDSHAKE, SYN)),
    n(65, '3.7.1', 'MSS only in SYNs', by(C9293, 'RFC 9293 MUST-65: MSS is in SYNs only')),
    m(
      66,
      '3.4',
      'RST and URG are processed with a window of zero',
      by(C9293, 'RFC 9293 MUST-66: our window is closed: URG is heard of, RST ends the connection'),
    ),
    m(
      67,
      '3.7.1',
      'the MSS that is offered follows from what can be put together',
      by(
        'test/kernel/net/ipv4/route.test.ts',
        'metrics of a route: the MSS to announce follows the MTU, unless it is given',
      ),
    ),
    m(68, '3.1', 'all options but end of list and no operation have a length', by(HANDSHAKE, ANSWER)),
    m(
      69,
      '3.1',
      'the header is padded with zeros',
      none('Options are laid out in whole words, with no operations between them.'),
    ),
    rule(
      '3.10.7.1',
      'a segment for no connection: reset, by its ACK or over its length; a reset is never answered',
      by(HANDSHAKE, 'RFC 9293 3.10.7.1: SYN: RST/ACK; ACK: RST with its number; RST: nothing'),
    ),
    rule(
      '3.10.7.3',
      'SYN-SENT: an acknowledgement of what was not sent: reset with that number',
      by(CLOSE, 'RFC 9293 3.10.7.3: SYN/ACK for another number: RST with it'),
    ),
    rule(
      '3.10.7.4',
      'SYN-RECEIVED: a wrong acknowledgement: reset with that number',
      by(
        HANDSHAKE,
        'RFC 9293 3.10.7.4: a wrong acknowledgement of the SYN/ACK: reset with that number, the request stays',
      ),
    ),
    rule(
      '3.10.7.4',
      'an acknowledgement of what was never sent: an ACK',
      by(`${TCP}linux.test.ts`, 'RFC 9293 3.10.7.4: an ACK of what was never sent: an ACK, at most two a second'),
    ),
    rule(
      '3.6',
      'one direction closed, the other goes on',
      by(CLOSE, 'RFC 9293 3.6: half-close: what comes afterwards is still received'),
    ),
    rule(
      'SHLD-3 (3.6.1)',
      'closed with unread data: the peer is told by a reset',
      by(CLOSE, 'RFC 9293 SHLD-3: unread data at close: RST instead of FIN'),
    ),
    rule(
      'MAY-2 (3.6.1)',
      'a SYN beyond the old numbers opens a connection anew from TIME-WAIT',
      by(CLOSE, 'RFC 1122 4.2.2.13: a SYN beyond the old numbers: a new connection'),
    ),
  ],
};
