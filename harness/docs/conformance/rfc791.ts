import {
  C791,
  C1812,
  FIB,
  ICMP,
  IP_FORWARD_RFC,
  IP_FRAGMENT,
  IP_INPUT,
  IP_OPTIONS,
  IP_OUTPUT,
  NEIGHBOUR,
  RAW,
  ROUTE,
  SOCKOPTS,
  UDP_RFC,
} from './files.ts';
import { and, asLinux, by, none, noted, type Rfc, rule } from './rules.ts';

const SENT = by(
  C791,
  'RFC 791 3.1: what a host sends: version 4, reserved bits 0, a right checksum, the default TTL, its own address',
);
const CUT = by(
  C791,
  'RFC 791 3.2: a datagram of 68 bytes passes a link of that MTU in one piece, a longer one in pieces of eight',
);

export const RFC791: Rfc = {
  number: 791,
  title: 'Internet Protocol',
  intro: 'Without MUSTs but in capitals; each rule about a field, an option or a procedure is listed.',
  rules: [
    rule(
      '1.4',
      'TTL: lowered wherever the header is processed; at zero the datagram is destroyed',
      by(
        IP_FORWARD_RFC,
        'RFC 1812 5.3.1: the TTL goes down by one, a packet whose time is up is not forwarded and its sender told',
      ),
    ),
    rule(
      '1.4',
      'a datagram whose header checksum fails is discarded at once by who finds it',
      by(IP_INPUT, 'wrong header checksum'),
    ),
    rule(
      '2.3',
      'addresses of any network size; a host may have several on one interface, and several interfaces',
      and(
        by(FIB, 'a second address in the subnet: secondary; gone with its primary, or promoted'),
        by(C1812, 'RFC 1812 4.2.2.11: addresses: several to an interface, each with its network'),
      ),
    ),
    rule(
      '2.3',
      'fragments are put together at the destination, never on the way',
      by(C1812, 'RFC 1812 5.2.6: fragments are forwarded one by one, never put together'),
    ),
    rule(
      '2.4',
      'a gateway forwards by its IP module alone, and speaks ICMP about what it cannot forward',
      by(
        IP_FORWARD_RFC,
        'RFC 1812 5.2.4.3: a link-layer failure is told as host unreachable, once the neighbour did not answer',
      ),
    ),
    rule('3.1 Version', '4', and(SENT, by(IP_INPUT, 'version 6'))),
    rule('3.1 IHL', 'in words, 5 at least', by(IP_INPUT, 'header length 4 words', 'header longer than the packet')),
    rule(
      '3.1 TOS',
      'set by the sender, carried to the end',
      by(
        C1812,
        'RFC 1812 5.3.2, 5.3.3: TOS and precedence of what is forwarded stay as they are, and all of them are forwarded',
      ),
    ),
    rule(
      '3.1 TOS',
      'reserved bits are sent as 0',
      noted('They are ECN now (RFC 3168): 0 where nobody asks for it.', SENT),
    ),
    rule(
      '3.1 Total Length',
      'header and data; what follows in the frame is padding',
      by(
        IP_INPUT,
        'padding behind the packet, cut off before anybody sees it',
        'total length beyond the frame',
        'total length below the header',
      ),
    ),
    rule(
      '3.1 Total Length',
      'every host takes datagrams of 576 bytes, whole or in fragments',
      by(C791, 'RFC 791 3.1: a datagram of 576 bytes is taken, in one piece and in fragments of the smallest kind'),
    ),
    rule(
      '3.1 Total Length',
      'up to 65,535 bytes',
      by(IP_FRAGMENT, 'of the longest possible datagram, 65,535 bytes', 'beyond 65,535 bytes: refused'),
    ),
    rule(
      '3.1 Identification',
      'given by the sender, to put fragments together',
      by(C791, 'RFC 791 3.1: identification: one and the same in all fragments, another for the next datagram'),
    ),
    rule('3.1 Flags', 'bit 0 is sent as 0', SENT),
    rule(
      '3.1 Flags',
      'DF: not to be cut, on no account',
      and(
        by(IP_OUTPUT, 'with DF: its sender is told what fits'),
        by(NEIGHBOUR, 'over the MTU with DF: -EMSGSIZE, counted; without: fragments'),
      ),
    ),
    rule(
      '3.1 Flags',
      'MF: 0 in the last fragment and in what was never cut',
      by(
        IP_OUTPUT,
        '1480 bytes: one packet, with DF, identification 0 not needed',
        'pieces of any length: the same fragments as in one',
      ),
    ),
    rule('3.1 Fragment Offset', 'in units of eight bytes; 0 in the first', CUT),
    rule(
      '3.1 TTL',
      'the sender sets it; at 0 the datagram is destroyed',
      and(SENT, by(IP_FORWARD_RFC, 'RFC 1812 5.3.1: a packet for the router itself is taken whatever its TTL')),
    ),
    rule(
      '3.1 TTL',
      'lowered by one at least, whatever the time taken',
      by(
        IP_FORWARD_RFC,
        'RFC 1812 5.3.1: the TTL goes down by one, a packet whose time is up is not forwarded and its sender told',
      ),
    ),
    rule(
      '3.1 Protocol',
      'names who gets the data',
      by(
        RAW,
        'RFC 1122 3.2.2.1: a protocol that nobody takes is told to the sender; with a raw socket for another address, too',
      ),
    ),
    rule(
      '3.1 Header Checksum',
      'one’s complement sum of the header only; checked and made anew wherever the header changes',
      and(
        by(IP_FORWARD_RFC, 'RFC 1812 4.2.2.5: the header checksum of what is forwarded is right'),
        by(IP_INPUT, 'wrong header checksum'),
      ),
    ),
    rule(
      '3.1 Options',
      'implemented by every IP module, hosts and gateways; whether they are sent is the sender’s choice',
      by(IP_OPTIONS, 'an echo with options: what the answer has'),
    ),
    rule(
      '3.1 Options',
      'one byte, or type, length and data; the copied bit says whether fragments have it',
      by(
        C791,
        'RFC 791 3.1: options of what a router cuts: those with the copied bit go into every piece, the rest into the first',
      ),
    ),
    rule('3.1 End of list', 'ends them; used only if they do not end with the header', by(IP_OPTIONS, 'no operation')),
    rule('3.1 No operation', 'between options', by(IP_OPTIONS, 'no operation')),
    rule(
      '3.1 Security',
      'copied on fragmentation, at most once; its meaning is the user’s',
      noted(
        'Carried, not interpreted; Linux does not either.',
        and(
          by(
            C791,
            'RFC 791 3.1: the security option is let through, in both directions, as any other that means nothing here',
          ),
          by(IP_OPTIONS, 'security, stream identifier: ignored'),
        ),
      ),
    ),
    rule(
      '3.1 Loose source route',
      'the next address becomes the destination, the module’s own takes its place, the pointer goes on by four',
      and(
        by(
          C1812,
          'RFC 1812 5.3.13.4: a loose source route through a router: its address in place of the next hop, no redirect',
        ),
        by(IP_OPTIONS, 'accepted where it is allowed: sent on to the next hop, with our address in its place'),
      ),
    ),
    rule(
      '3.1 Loose source route',
      'pointer beyond the length: the route is used up, the destination address counts',
      by(IP_OPTIONS, 'ended here: the answer goes back the way it came'),
    ),
    rule(
      '3.1 Loose source route',
      'any route may lead to the next address; copied on fragmentation; at most once',
      by(IP_OPTIONS, 'two source routes', 'source route, pointer below 4'),
    ),
    rule(
      '3.1 Strict source route',
      'only straight to the next address, over a network that both are on',
      by(C791, 'RFC 791 3.1: strict source route: on to a neighbour; to one behind a gateway: source route failed'),
    ),
    rule(
      '3.1 Source routes',
      'obeyed by every gateway and host',
      asLinux(
        'Refused unless accept_source_route is on for all and for the device.',
        by(IP_OPTIONS, 'refused by default'),
      ),
    ),
    rule(
      '3.1 Record route',
      'each module that forwards adds its address; not copied; full: forwarded without',
      by(
        C1812,
        'RFC 1812 5.3.13.5, 4.2.2.2: record route: the address of the interface it leaves by; full: passed on as it is',
      ),
    ),
    rule(
      '3.1 Record route',
      'room for less than an address: in error, discarded, parameter problem',
      by(IP_OPTIONS, 'record route, no room for an address', 'record route, pointer below 4', 'record route twice'),
    ),
    rule(
      '3.1 Stream identifier',
      'carried; copied on fragmentation; at most once',
      by(
        C791,
        'RFC 791 3.1: options of what a router cuts: those with the copied bit go into every piece, the rest into the first',
      ),
    ),
    rule(
      '3.1 Timestamp',
      'flag 0: times; 1: addresses and times; 3: times for the addresses that are named',
      and(
        by(
          IP_OPTIONS,
          'time stamps only',
          'addresses and time stamps',
          'time stamp of a named host, us',
          'time stamp of a named host, somebody else',
        ),
        by(
          C791,
          'RFC 791 3.1: a router adds its time to a timestamp option, and with its address the one it sends from',
        ),
      ),
    ),
    rule(
      '3.1 Timestamp',
      'milliseconds since midnight UT, or the high bit set',
      noted(
        'The simulated clock begins at a midnight.',
        by(
          C791,
          'RFC 791 3.1: a router adds its time to a timestamp option, and with its address the one it sends from',
        ),
      ),
    ),
    rule(
      '3.1 Timestamp',
      'the originator leaves room, filled with zero; the pointer is the first free byte, 5 at least',
      by(IP_OPTIONS, 'time stamp, pointer below 5', 'time stamp shorter than its head'),
    ),
    rule(
      '3.1 Timestamp',
      'full: the overflow count goes up; room for less than a whole one, or the count runs over: parameter problem',
      by(
        C791,
        'RFC 791 3.1: timestamps full: a router counts in the overflow field; beyond fifteen: parameter problem',
      ),
    ),
    rule(
      '3.1 Timestamp',
      'not copied on fragmentation; in the first fragment only; at most once',
      by(IP_OUTPUT, 'options: all of them in the first fragment, in the others those that say so'),
    ),
    rule(
      '3.1 Padding',
      'the header ends on a word; filled with zero',
      by(IP_OPTIONS, 'record route with room for one: ours as it came'),
    ),
    rule(
      '3.2 Addressing',
      'a host with several addresses takes what comes for any of them',
      by(IP_INPUT, 'inet_addr_type: what an address is to us'),
    ),
    rule('3.2 Fragmentation', 'every module forwards 68 bytes without cutting', CUT),
    rule(
      '3.2 Fragmentation',
      'pieces are multiples of eight bytes but for the last; header fields are copied, length, flags, offset and checksum made anew',
      CUT,
    ),
    rule(
      '3.2 Fragmentation',
      'a fragment is cut further without losing its place; MF of the last piece is what the whole had',
      by(IP_OUTPUT, 'a fragment: cut further, its place kept', 'without DF: cut, each piece a copy'),
    ),
    rule(
      '3.2 Identification',
      'unique for source, destination and protocol for as long as the datagram can live',
      noted(
        'Datagrams with DF, which are never cut, have 0 (RFC 6864).',
        by(NEIGHBOUR, 'DF: identification 0; without: one more each time within a tick'),
      ),
    ),
    rule(
      '3.2 Reassembly',
      'pieces belong together by identification, source, destination and protocol',
      by(IP_FRAGMENT, 'told apart by source, destination, identification and protocol'),
    ),
    rule(
      '3.2 Reassembly',
      'in any order, with duplicates',
      by(IP_FRAGMENT, 'in any order, with duplicates: the datagram, once', 'backwards', 'the middle last'),
    ),
    rule(
      '3.2 Reassembly',
      'where fragments overlap, the later one counts',
      asLinux(
        'Since RFC 5722 Linux throws away the whole datagram.',
        by(IP_FRAGMENT, 'overlapping the end', 'overlapping the start', 'around what is there'),
      ),
    ),
    rule(
      '3.2 Reassembly',
      'a timer; when it runs out all that was collected is released',
      by(IP_FRAGMENT, 'the first fragment is there: after 30 s time exceeded, with what was there of it'),
    ),
    rule(
      '3.2 Reassembly',
      'the timer is the larger of 15 s and the TTL of what comes',
      asLinux(
        '30 s from the first (ipfrag_time), whatever the TTL.',
        by(IP_FRAGMENT, 'the first fragment is there: after 30 s time exceeded, with what was there of it'),
      ),
    ),
    rule(
      '3.2 TTL',
      'the sender sets it for how long the data is of use',
      by(SOCKOPTS, 'values in and out of range: taken or refused as by Linux'),
    ),
    rule(
      '3.2 TOS',
      'precedence, delay, throughput, reliability are hints to networks that know such',
      none('The priority of a packet comes from its TOS; see RFC 1812 5.3.3.'),
    ),
    rule(
      '3.2 Checksum',
      'a changed header gets a new checksum; one that fails is not an IP datagram for us',
      by(IP_INPUT, 'wrong header checksum'),
    ),
    rule('3.2 Errors', 'told by ICMP', by(ICMP, 'icmp_send, what RFC 1122 3.2.2 forbids: nothing is sent')),
    rule(
      '3.2',
      'a host that is no gateway does not forward',
      by(C791, 'RFC 791 3.2: a datagram for somebody else that reaches a host is not sent on'),
    ),
    rule(
      '3.3',
      'send: destination, TOS, TTL, identification, DF, options, data; the result tells of errors',
      and(
        by(
          UDP_RFC,
          'RFC 1122 4.1.4: a program sets TTL, TOS and options of what it sends, and sees the TTL of what comes',
        ),
        by(
          RAW,
          'IP_HDRINCL: length, checksum, and, where they are 0, source and identification are filled in; the rest stays',
        ),
      ),
    ),
    rule(
      '3.3',
      'recv: data, source, destination, TOS, options',
      by(RAW, 'a packet of its protocol: the header and all, with MSG_TRUNC its length, IP_PKTINFO where it came in'),
    ),
    rule(
      '3.3',
      'the source address is one of this host’s',
      and(SENT, by(ROUTE, 'a source that is not ours: refused, but with FLOWI_FLAG_ANYSRC')),
    ),
    rule('Appendix B', 'big-endian; the most significant bit first', SENT),
  ],
};
