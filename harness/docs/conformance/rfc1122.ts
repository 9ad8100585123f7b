import {
  ARP_PROXY,
  C768,
  C826,
  ERRQUEUE,
  LINK,
  NEIGHBOUR,
  RAW,
  SOCKOPTS,
  UDP,
  UDP_OUTPUT,
  UDP_RCV,
  UDP_RFC,
} from './files.ts';
import { RFC1122_INTERNET } from './rfc1122-internet.ts';
import { RFC1122_IP } from './rfc1122-ip.ts';
import { and, asLinux, by, must, mustNot, none, noted, type Rfc, type Rule, should } from './rules.ts';

const LINKS: readonly Rule[] = [
  mustNot(
    '2.3.1',
    'trailers are not sent unless both sides agreed',
    by(LINK, 'RFC 1122 2.3.1: trailers (types 1001h and up) are neither asked for, sent, nor understood'),
  ),
  mustNot(
    '2.3.1',
    'trailers are not on by default',
    by(LINK, 'RFC 1122 2.3.1: trailers (types 1001h and up) are neither asked for, sent, nor understood'),
  ),
  must(
    '2.3.2.1',
    'ARP entries that are out of date are found out and removed',
    and(
      by(
        C826,
        'RFC 1122 2.3.2.1: an entry that is wrong is found out: unconfirmed it is asked for, and gone without an answer',
      ),
      by(NEIGHBOUR, 'reachable and idle: STALE; used again: DELAY, then asked for directly, then FAILED'),
    ),
  ),
  must(
    '2.3.2.1',
    'the same address is not asked for without limit (once a second at most)',
    and(
      by(NEIGHBOUR, 'silent: asked for three times, a second apart; then FAILED, and who waited hears of it'),
      by(
        ARP_PROXY,
        'RFC 1122 2.3.2.1: a scan of 100,000 addresses stays below gc_thresh3 while a flow that was there goes on',
      ),
    ),
  ),
  must(
    '2.3.3',
    'on 10 Mbit/s Ethernet, packets are sent and taken in RFC 894 encapsulation',
    by(LINK, 'RFC 1122 2.3.3: Ethernet encapsulation (RFC 894) both ways: type 0800h, the packet behind it'),
  ),
  must(
    '2.3.3',
    'who can send RFC 1042 too has a switch, and sends RFC 894 by default',
    none('RFC 1042 is not sent; it may be, and Linux does not either.'),
  ),
  must(
    '2.3.3',
    'ARP, not a fixed mapping, where the card’s addresses are not derived from IP’s',
    by(
      C826,
      'RFC 826: a request: Ethernet, IP, lengths 6 and 4, opcode 1, both own addresses, the one asked for, to all',
    ),
  ),
  must('2.3.3', 'ARP entries are used with the encapsulation that the answer came in', none('One encapsulation only.')),
  must(
    '2.4',
    'the link layer tells IP whether a packet came to all on the link',
    by(
      LINK,
      'RFC 1122 2.4: the link layer says what came to all: an answer that only a packet for us gets is not sent',
    ),
  ),
  must(
    '2.4',
    'IP tells the link layer the TOS of what it sends',
    by(
      LINK,
      'RFC 1122 2.4: TOS goes down with the packet: the kind of service sets its priority, and the header has it',
    ),
  ),
  mustNot(
    '2.4',
    'the link layer reports no “destination unreachable” only because ARP has no entry yet',
    by(
      C826,
      'RFC 1812 3.3.2: no entry yet is no reason for an unreachable: the packet waits until the question failed',
    ),
  ),
  must('2.3.3', 'with RFC 1042: K1 = 6 in SNAP', none('RFC 1042 is not spoken.')),
  should(
    '2.3.2.2',
    'one packet at least waits for ARP',
    by(C826, 'RFC 1122 2.3.2.2: the latest packet for an address that is being asked for is kept and sent'),
  ),
  should(
    '2.3.3',
    'RFC 1042 frames are taken, too',
    asLinux(
      'Linux does not take IP out of 802.2 frames.',
      by(LINK, 'RFC 1122 2.3.3: IEEE 802.3 with SNAP (RFC 1042): Linux takes no IP out of it, and sends none so'),
    ),
  ),
];

const UDP_RULES: readonly Rule[] = [
  must(
    '4.1.3.2',
    'options that IP received reach the program as they are',
    by(UDP_RFC, 'RFC 1122 4.1.3.2: options in the header reach the program, and the program sends its own'),
  ),
  must(
    '4.1.3.2',
    'a program names the options of what it sends, and UDP hands them to IP',
    and(
      by(UDP_RFC, 'RFC 1122 4.1.3.2: options in the header reach the program, and the program sends its own'),
      by(SOCKOPTS, 'IP_OPTIONS: checked, kept, given back; more than 40 bytes or a wrong one refused'),
    ),
  ),
  must(
    '4.1.3.3',
    'all ICMP errors that IP hands up reach the program that wants them',
    noted(
      'Connected sockets hear of those that are final; all of them with IP_RECVERR.',
      and(
        by(
          ERRQUEUE,
          'RFC 1122 4.1.3.3: port unreachable reaches a connected socket once; an unconnected one hears nothing',
          'RFC 1122 4.1.3.3: time exceeded: what a connected socket hears without, and with IP_RECVERR',
          'RFC 1122 4.1.3.3: parameter problem: what a connected socket hears without, and with IP_RECVERR',
          'IP_RECVERR: the error, what was sent, where to, and who says so; POLLERR until it is read',
        ),
      ),
    ),
  ),
  must(
    '4.1.3.4',
    'checksums are made',
    by(C768, 'RFC 768: what is sent: both ports, the length of header and data, a checksum over the pseudo header'),
  ),
  must(
    '4.1.3.4',
    'checksums are checked',
    by(
      UDP_RCV,
      'wrong checksum: a short packet is dropped on arrival, a long one when it is read, and the reader goes on',
    ),
  ),
  must(
    '4.1.3.4',
    'a wrong one is discarded in silence',
    and(
      by(
        UDP_RFC,
        'RFC 1122 4.1.3.4: a wrong checksum: discarded in silence, counted, no ICMP even where nobody listens',
      ),
      by(UDP_RCV, 'wrong checksum and nobody there: no ICMP, and no UdpNoPorts'),
    ),
  ),
  must(
    '4.1.3.4',
    'making them is on by default; a program may turn it off',
    by(
      UDP_RFC,
      'RFC 1122 4.1.3.4: a checksum is made by default; a sum of zero is sent as all ones; a program may turn it off',
    ),
  ),
  must(
    '4.1.3.4',
    'checking them is on by default',
    by(UDP_RFC, 'RFC 1122 4.1.3.4: a wrong checksum: discarded in silence, counted, no ICMP even where nobody listens'),
  ),
  must(
    '4.1.3.4',
    'whether datagrams without one are taken is a choice; the default is to take them',
    noted(
      'No choice to refuse them, which the RFC leaves open; Linux has none either.',
      by(UDP_RFC, 'RFC 768: a checksum of zero means that none was made: delivered'),
    ),
  ),
  must(
    '4.1.3.5',
    'the address that a datagram was sent to reaches the program',
    by(
      UDP_RFC,
      'RFC 1122 4.1.3.5: the address a datagram was sent to is told; a program chooses the one it sends from',
    ),
  ),
  must(
    '4.1.3.5',
    'a program names the source address of what it sends, or leaves it open',
    and(
      by(
        UDP_RFC,
        'RFC 1122 4.1.3.5: the address a datagram was sent to is told; a program chooses the one it sends from',
      ),
      by(
        UDP_OUTPUT,
        'control messages on the way out: TTL, TOS, source address; out of range EINVAL, no such device ENODEV',
      ),
    ),
  ),
  must(
    '4.1.3.6',
    'an invalid source address (broadcast, multicast): discarded by UDP or IP',
    by(UDP_RFC, 'RFC 1122 4.1.3.6: an invalid source address (a group, a broadcast, 127.0.0.1): discarded'),
  ),
  must(
    '4.1.3.6',
    'what is sent has a source address of this host',
    and(
      by(
        C768,
        'RFC 1122 4.1.3.6: what is sent has an address of this host as its source, whatever the socket is bound to',
      ),
      by(UDP, 'bind'),
    ),
  ),
  must(
    '4.1.4',
    'all of IP’s interface is there for programs',
    by(UDP_RFC, 'RFC 1122 4.1.4: a program sets TTL, TOS and options of what it sends, and sees the TTL of what comes'),
  ),
  must(
    '4.1.4',
    'TTL and TOS of what is sent, for each datagram',
    by(
      UDP_OUTPUT,
      'control messages on the way out: TTL, TOS, source address; out of range EINVAL, no such device ENODEV',
    ),
  ),
  must(
    '4.1.4',
    'a program can learn the largest it may send, and whether it may be cut',
    and(
      by(ERRQUEUE, 'IP_RECVERR and a message too long: EMSGSIZE, and what would fit, from this host itself'),
      by(SOCKOPTS, 'values in and out of range: taken or refused as by Linux'),
    ),
  ),
  must(
    '4.1.4',
    'a program can send and receive ICMP as a user (ping)',
    by(RAW, 'every matching socket gets a copy, the stack its own; ICMP_FILTER keeps types away'),
  ),
  should(
    '4.1.5 table',
    'port unreachable for a port that nobody has',
    asLinux(
      'Done, within Linux’s limits on how many.',
      by(
        UDP_RFC,
        'RFC 1122 4.1.3.1: nobody on the port: ICMP port unreachable with the whole datagram; none for a broadcast',
      ),
    ),
  ),
];

export const RFC1122: Rfc = {
  number: 1122,
  title: 'Requirements for Internet Hosts: Communication Layers',
  intro: 'Link layer, internet layer and UDP; its section on TCP is superseded by RFC 9293.',
  rules: [...LINKS, ...RFC1122_IP, ...RFC1122_INTERNET, ...UDP_RULES],
};
