/** RFC 1812, chapters 2 to 4; chapter 5 is in rfc1812-forwarding.ts. */
import {
  ARP,
  C791,
  C792,
  C826,
  C1812,
  FIB,
  FIB_SEMANTICS,
  ICMP,
  IGMP,
  INTERNET,
  IP_FORWARD,
  IP_FORWARD_RFC,
  IP_FRAGMENT,
  IP_OPTIONS,
  IP_OUTPUT,
  LINK,
  NEIGHBOUR,
  PING,
  RAW,
  ROUTE,
} from './files.ts';
import { RFC1812_FORWARDING } from './rfc1812-forwarding.ts';
import { and, asLinux, by, must, mustNot, none, notDone, noted, type Rfc, type Rule, should } from './rules.ts';

const RECORDED = by(
  C1812,
  'RFC 1812 5.3.13.5, 4.2.2.2: record route: the address of the interface it leaves by; full: passed on as it is',
);
const STAMPED = by(
  C791,
  'RFC 791 3.1: a router adds its time to a timestamp option, and with its address the one it sends from',
);
const LOOSE = by(
  C1812,
  'RFC 1812 5.3.13.4: a loose source route through a router: its address in place of the next hop, no redirect',
);
const HEADER = by(
  C1812,
  'RFC 1812 4.2.2.5, 5.2.2: version, header length, total length, checksum: wrong ones end at the router in silence',
);
const NO_ERROR = by(IP_FORWARD_RFC, 'RFC 1812 4.3.2.7: no error about an ICMP error, a later fragment, a broadcast');
const REVERSED = by(IP_OPTIONS, 'ended here: the answer goes back the way it came');
const ECHO = by(C1812, 'RFC 1812 4.3.3.6: an echo of 576 bytes and of the MTU is answered whole, the router too');

const LOWER: readonly Rule[] = [
  must(
    '2.2.8',
    'a host’s forwarding code is off by default, and not turned on by itself',
    by(INTERNET, 'RFC 1122 3.1: two interfaces do not make a router: forwarding is off until it is asked for'),
  ),
  must(
    '2.2.5.2',
    'networks of any prefix length; no classes in forwarding',
    by(C1812, 'RFC 1812 4.2.3.4: networks of any prefix length, one within the other'),
  ),
  must(
    '3.2',
    'to the link layer with each packet: the packet, its length, the link’s address of the next hop, and which interface',
    by(NEIGHBOUR, 'by a gateway: to its Ethernet address'),
  ),
  must(
    '3.2',
    'from the link layer: packet, length, interface, and whether it came to us, to all or to a group',
    by(IP_FORWARD_RFC, 'RFC 1812 5.3.4: what came to all on the link is not forwarded'),
  ),
  mustNot(
    '3.3.1',
    'no trailers, unless a switch that is off by default turns them on',
    by(LINK, 'RFC 1122 2.3.1: trailers (types 1001h and up) are neither asked for, sent, nor understood'),
  ),
  must(
    '3.3.2',
    'ARP as RFC 1122 2.3.2 has it',
    by(
      C826,
      'RFC 1122 2.3.2.1: an entry that is wrong is found out: unconfirmed it is asked for, and gone without an answer',
      'RFC 1122 2.3.2.2: the latest packet for an address that is being asked for is kept and sent',
    ),
  ),
  mustNot(
    '3.3.2',
    'no unreachable only because ARP has no entry; the packet waits for a short while',
    by(
      C826,
      'RFC 1812 3.3.2: no entry yet is no reason for an unreachable: the packet waits until the question failed',
    ),
  ),
  mustNot(
    '3.3.2',
    'an ARP answer that names a broadcast or multicast link address is not believed',
    asLinux(
      'Linux believes it (clusters use it).',
      by(
        C826,
        'RFC 1812 3.3.2: a group as link-layer address in an answer: RFC 1812 forbids to believe it, Linux does',
      ),
    ),
  ),
  must(
    '3.3.2',
    'proxy ARP only for hosts that are reached by another interface',
    and(
      by(
        'test/kernel/net/ipv4/arp_proxy.test.ts',
        'proxy_arp: a host on another link is answered for after a random while of up to 0.8 s',
      ),
      by(ARP, 'arp_ignore 1: an address of another device, not answered for'),
    ),
  ),
  must(
    '3.3.3',
    'Ethernet as RFC 1122 2.3.3 has it',
    by(
      LINK,
      'RFC 1122 2.3.3: Ethernet encapsulation (RFC 894) both ways: type 0800h, the packet behind it',
      'RFC 1122 2.3.3: IEEE 802.3 with SNAP (RFC 1042): Linux takes no IP out of it, and sends none so',
    ),
  ),
  must(
    '3.3.4',
    'the MTU of each interface can be set',
    by(
      LINK,
      'RFC 1122 2.3.3: an MTU of 1500 by default; RFC 1812 3.3.4: it is set by interface, within what its link allows',
    ),
  ),
  mustNot(
    '3.3.4',
    'to nothing that makes frames longer than the link allows',
    by(
      LINK,
      'RFC 1122 2.3.3: an MTU of 1500 by default; RFC 1812 3.3.4: it is set by interface, within what its link allows',
    ),
  ),
  must('3.3.5', 'PPP on serial lines', none('No serial lines.')),
  must(
    '3.3.6',
    'routing can find out whether an interface is able to send',
    and(
      by(
        C1812,
        'RFC 1812 5.3.12.3: an interface goes down: its routes are not used any more, another one for the same place is',
      ),
      by(FIB_SEMANTICS, 'no carrier: passed over where ignore_routes_with_linkdown says so'),
    ),
  ),
];

const IP: readonly Rule[] = [
  must(
    '4.2.1',
    'IP as RFC 791 and RFC 1122 3.2.1 have it, for what is addressed to the router',
    by(
      C1812,
      'RFC 1812 5.2.3: for the router: any of its addresses, whichever interface it comes by; all others go on',
    ),
  ),
  must('4.2.2.1', 'options: those of RFC 791, in what is forwarded too; see 5.3.13', and(RECORDED, STAMPED, LOOSE)),
  must(
    '4.2.2.2',
    'the address in record route, source route and timestamp is that of the interface the packet leaves by',
    and(RECORDED, STAMPED),
  ),
  mustNot(
    '4.2.2.3',
    'reserved bits are not set in what the router itself sends',
    by(
      C791,
      'RFC 791 3.1: what a host sends: version 4, reserved bits 0, a right checksum, the default TTL, its own address',
    ),
  ),
  mustNot(
    '4.2.2.3',
    'nothing is dropped for reserved bits; they are not looked at',
    noted(
      'Two of them are ECN’s since RFC 3168.',
      by(C1812, 'RFC 1812 4.2.2.3: reserved bits of flags and TOS: neither checked nor changed in what is forwarded'),
    ),
  ),
  must(
    '4.2.2.4',
    'TOS and precedence as 5.3.2 and 5.3.3 have it',
    by(
      C1812,
      'RFC 1812 5.3.2, 5.3.3: TOS and precedence of what is forwarded stay as they are, and all of them are forwarded',
    ),
  ),
  must(
    '4.2.2.5',
    'the header checksum of what comes is checked, and the packet discarded if it is wrong; no switch turns that off',
    HEADER,
  ),
  must(
    '4.2.2.5',
    'updated in steps or anew, the checksum of what is forwarded is right',
    by(IP_FORWARD_RFC, 'RFC 1812 4.2.2.5: the header checksum of what is forwarded is right'),
  ),
  must(
    '4.2.2.6',
    'unknown options are ignored',
    by(C1812, 'RFC 1812 4.2.2.6, 5.3.13.1: an option that a router does not know is forwarded as it is'),
  ),
  must(
    '4.2.2.6',
    'end of list and no operation are understood',
    by(C1812, 'RFC 1812 4.2.2.6, 5.3.13.1: an option that a router does not know is forwarded as it is'),
  ),
  must(
    '4.2.2.7',
    'what is too long for the next link is cut, as RFC 791 has it',
    and(
      by(C1812, 'RFC 1812 4.2.2.7: a router cuts into as few pieces as the MTU allows, in order'),
      by(IP_OUTPUT, 'without DF: cut, each piece a copy'),
    ),
  ),
  must(
    '4.2.2.8',
    'what is for the router itself is put together as hosts do it',
    by(IP_FRAGMENT, 'ip_defrag, a datagram in fragments'),
  ),
  mustNot(
    '4.2.2.9',
    'nothing is sent with a TTL of 0',
    by(
      INTERNET,
      'RFC 1122 3.2.1.7: what is for this host is taken with a TTL of 1 and of 0; what it sends has none of 0',
    ),
  ),
  mustNot(
    '4.2.2.9',
    'what is for the router itself is not discarded for its TTL',
    by(IP_FORWARD_RFC, 'RFC 1812 5.3.1: a packet for the router itself is taken whatever its TTL'),
  ),
  mustNot(
    '4.2.2.9',
    'the TTL is not looked at but where a packet is forwarded',
    by(IP_FORWARD_RFC, 'RFC 1812 5.3.1: a packet for the router itself is taken whatever its TTL'),
  ),
  must(
    '4.2.2.9',
    'default TTL and that of each transport can be set',
    by(INTERNET, 'RFC 1122 3.2.1.7: the default TTL is a setting'),
  ),
  mustNot(
    '4.2.2.10',
    'broadcasts to all subnets are not forwarded (obsolete)',
    by(
      C1812,
      'RFC 1812 5.3.5.1, 5.3.5.2: broadcasts of this link and all of them: taken by the router itself, not forwarded',
    ),
  ),
  must(
    '4.2.2.11',
    'special addresses: 0 and 127 as in RFC 1122; class E not refused',
    by(C1812, 'RFC 1812 5.3.7: by default: what comes from or goes to 127.0.0.0/8 or 0.0.0.0 is not forwarded'),
  ),
  mustNot(
    '4.2.2.11',
    'a router sends nothing with an address that is not its own, or with a broadcast, as its source',
    and(
      by(ROUTE, 'a source that is not ours: refused, but with FLOWI_FLAG_ANYSRC'),
      by(C1812, 'RFC 1812 4.3.2.4: a message of the router comes from an address of the interface that it leaves by'),
    ),
  ),
  must(
    '4.2.3.1',
    '255.255.255.255 and {network, -1} are broadcasts',
    by(
      C1812,
      'RFC 1812 5.3.5.1, 5.3.5.2: broadcasts of this link and all of them: taken by the router itself, not forwarded',
    ),
  ),
  must(
    '4.2.3.1',
    'the old forms with zeros are discarded, or are broadcasts',
    asLinux(
      '{network, 0} is an ordinary address of the link (Linux 5.14).',
      by(
        INTERNET,
        'RFC 1122 3.3.6: for all: 255.255.255.255 and the broadcast address of the network; {network, 0} is one host (Linux)',
      ),
    ),
  ),
  must(
    '4.2.3.2',
    'multicast as a host (RFC 1112)',
    by(IGMP, 'version 3: the change is told twice within about a second each time, and the card listens'),
  ),
  must(
    '4.2.3.3',
    '“fragmentation needed” has the next hop’s MTU (RFC 1191)',
    by(
      IP_FORWARD_RFC,
      'RFC 1812 4.2.3.3, RFC 1191 4: too long with DF: "fragmentation needed" with the MTU of the next hop',
    ),
  ),
  must(
    '4.2.3.4',
    'networks of different prefix lengths, one within the other',
    and(
      by(C1812, 'RFC 1812 4.2.3.4: networks of any prefix length, one within the other'),
      by(FIB, 'any set of routes: a lookup finds the longest prefix'),
    ),
  ),
];

const ICMP_RULES: readonly Rule[] = [
  must('4.3.1', 'a router implements ICMP', ECHO),
  must(
    '4.3.2.1',
    'an unknown type is handed to programs that want it, or discarded in silence',
    and(
      by(ICMP, 'unknown type'),
      by(RAW, 'every matching socket gets a copy, the stack its own; ICMP_FILTER keeps types away'),
    ),
  ),
  must(
    '4.3.2.2',
    'a message has a TTL of its own, not that of its cause',
    by(C1812, 'RFC 1812 4.3.2.2: the TTL of a message of the router is its own, whatever the TTL of the cause'),
  ),
  must(
    '4.3.2.3',
    'the quoted header and data are as they came, but for what forwarding had changed already',
    by(C1812, 'RFC 1812 4.3.2.3: what an error quotes is as it came, up to 576 bytes in all; of the TTL too'),
  ),
  must(
    '4.3.2.4',
    'the source is an address of the interface that the message leaves by',
    by(C1812, 'RFC 1812 4.3.2.4: a message of the router comes from an address of the interface that it leaves by'),
  ),
  must(
    '4.3.2.5',
    'an answer has the TOS of the question; errors may have precedence 6 or 7',
    by(
      C1812,
      'RFC 1812 4.3.2.5: an error has the TOS of its cause and precedence 6; an answer the TOS of the question',
    ),
  ),
  should(
    '4.3.2.6',
    'an error about what has a source route goes back along it, not about “source route failed”',
    by(C1812, 'RFC 1812 4.3.2.6: an error about a packet with a source route goes back along it'),
  ),
  mustNot('4.3.2.7', 'no error about an ICMP error', NO_ERROR),
  mustNot(
    '4.3.2.7',
    'no error about a header that fails validation (unless a rule says so)',
    by(C1812, 'RFC 1812 4.3.2.7: no error about a packet whose header is wrong, nor one from no single host'),
  ),
  mustNot(
    '4.3.2.7',
    'no error about a broadcast or multicast destination',
    and(NO_ERROR, by(C1812, 'RFC 1812 5.2.7.3: the TTL of a multicast or broadcast packet runs out without a message')),
  ),
  mustNot('4.3.2.7', 'no error about what came in a frame for all', NO_ERROR),
  mustNot(
    '4.3.2.7',
    'no error to an address that is not a single host’s',
    by(C1812, 'RFC 1812 4.3.2.7: no error about a packet whose header is wrong, nor one from no single host'),
  ),
  mustNot('4.3.2.7', 'no error about a later fragment', NO_ERROR),
  should(
    '4.3.2.8',
    'errors are limited in number, by settings',
    and(
      by(
        ICMP,
        'icmp_ratelimit: six at once to one peer, then one a second',
        'icmp_msgs_per_sec: all peers together get about a burst of fifty, then 1,000 a second',
      ),
      by(IP_FORWARD_RFC, 'RFC 1812 4.3.2.8: ever more seldom, nine in vain, then silence for 20 s'),
    ),
  ),
  must(
    '4.3.3.1',
    'unreachables can be sent, with the code that fits best',
    and(
      by(
        ROUTE,
        'RFC 1812 5.2.7.1: no route, unreachable, prohibited: told by code, two at once and then one every two seconds',
      ),
      by(
        IP_FORWARD_RFC,
        'RFC 1812 5.2.4.3: a link-layer failure is told as host unreachable, once the neighbour did not answer',
      ),
      by(C791, 'RFC 791 3.1: strict source route: on to a neighbour; to one behind a gateway: source route failed'),
    ),
  ),
  must(
    '4.3.3.2',
    'a router that forwards ignores redirects',
    by(ROUTE, 'accept_redirects 0, and a router: not obeyed'),
  ),
  should(
    '4.3.3.3',
    'source quench: not sent, may be ignored',
    by(INTERNET, 'RFC 1122 3.2.2.3: source quench is heard and changes nothing (RFC 6633)'),
  ),
  must(
    '4.3.3.4',
    'TTL used up: time exceeded, code 0',
    by(IP_FORWARD, 'the last hop, time exceeded to the sender and nothing out'),
  ),
  must(
    '4.3.3.4',
    'given up on fragments for the router itself: as hosts do',
    by(IP_FRAGMENT, 'the first fragment is there: after 30 s time exceeded, with what was there of it'),
  ),
  must(
    '4.3.3.5',
    'an error that no other message covers: parameter problem, with the byte that is wrong',
    by(IP_OPTIONS, 'options that cannot be right: parameter problem, with the place'),
  ),
  must('4.3.3.6', 'echoes are answered', ECHO),
  must(
    '4.3.3.6',
    'echoes of 576 bytes and of the largest MTU of any interface are taken, put together and answered',
    and(ECHO, by(ICMP, 'an answer as long as the question, in as many fragments; its checksum right')),
  ),
  must('4.3.3.6', 'an echo to a broadcast or multicast address may be ignored', by(ICMP, 'echo to all')),
  must(
    '4.3.3.6',
    'a switch to ignore all echoes is off by default',
    by(ICMP, 'icmp_echo_ignore_all: silence, and no error'),
  ),
  must(
    '4.3.3.6',
    'the answer comes from the address that was asked',
    by(INTERNET, 'RFC 1122 3.2.2.6: an echo reply goes out from the very address that was asked'),
  ),
  must(
    '4.3.3.6',
    'all data comes back',
    by(C792, 'RFC 792: echo: identifier, sequence and data come back, of an odd length too; the checksum covers all'),
  ),
  must(
    '4.3.3.6',
    'programs of the router can ping',
    by(PING, 'an echo request goes out with the socket’s identifier, its answer comes back with header and data'),
  ),
  must(
    '4.3.3.6',
    'a source route is reversed for the answer; record route and timestamps are brought up to date',
    and(REVERSED, by(IP_OPTIONS, 'record route: our address twice, as it came and as it leaves')),
  ),
  should(
    '4.3.3.7',
    'information requests are neither sent nor answered',
    by(C792, 'RFC 792: information and address mask requests are taken and not answered'),
  ),
  must(
    '4.3.3.8',
    'timestamps, if answered: to the address that asked, from the one asked, source route reversed, to a broadcast not',
    and(
      by(INTERNET, 'RFC 1122 3.2.2.8: a timestamp request with a source route is answered along the route reversed'),
      by(ICMP, 'a timestamp request, answered with the time since midnight'),
    ),
  ),
  must(
    '4.3.3.8',
    'times within the accuracy RFC 1122 asks for',
    by(C792, 'RFC 792: timestamp: originate comes back, receive and transmit are milliseconds since midnight, code 0'),
  ),
  must(
    '4.3.3.9',
    'address mask requests can be answered, by a switch per interface that is off by default',
    asLinux(
      'Never answered; hosts have not asked since DHCP.',
      by(INTERNET, 'RFC 1122 3.2.2.9: an address mask request is not answered, an address mask reply changes nothing'),
    ),
  ),
  mustNot(
    '4.3.3.9',
    'a mask that is not known is not told',
    by(INTERNET, 'RFC 1122 3.2.2.9: an address mask request is not answered, an address mask reply changes nothing'),
  ),
  must(
    '4.3.3.10',
    'router advertisements and solicitations (RFC 1256), on every interface',
    notDone('Linux leaves them to a daemon, which could be a program here with a raw socket.'),
  ),
  must(
    '4.4',
    'IGMP (SHOULD; where multicast is forwarded, MUST)',
    noted(
      'As a host; multicast is not forwarded.',
      by(IGMP, 'general, version 3: all groups in one report, within its time'),
    ),
  ),
];

export const RFC1812: Rfc = {
  number: 1812,
  title: 'Requirements for IP Version 4 Routers',
  intro:
    'Link layer, internet layer and forwarding. Chapters 6 to 10 (transport, routing protocols, network management, operation) concern daemons and consoles that are not part of this stack.',
  rules: [...LOWER, ...IP, ...ICMP_RULES, ...RFC1812_FORWARDING],
};
