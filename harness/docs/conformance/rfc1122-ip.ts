/** RFC 1122, 3.1 and 3.2: IP, ICMP and IGMP. */
import {
  C791,
  C792,
  C1812,
  CAPTURES,
  ERRQUEUE,
  FIB,
  ICMP,
  IGMP,
  INTERNET,
  INTEROP_HOST,
  IP_COMMAND,
  IP_FORWARD_RFC,
  IP_FRAGMENT,
  IP_INPUT,
  IP_OPTIONS,
  NEIGHBOUR,
  PING,
  RAW,
  ROUTE,
  UDP_OUTPUT,
  UDP_RFC,
} from './files.ts';
import { and, asLinux, by, must, mustNot, none, noted, type Rule, should } from './rules.ts';

const SENT = by(
  C791,
  'RFC 791 3.1: what a host sends: version 4, reserved bits 0, a right checksum, the default TTL, its own address',
);
const REVERSED = by(IP_OPTIONS, 'ended here: the answer goes back the way it came');
const PASSED_UP = by(
  UDP_RFC,
  'RFC 1122 4.1.3.2: options in the header reach the program, and the program sends its own',
);
const ECHOED = by(
  C792,
  'RFC 792: echo: identifier, sequence and data come back, of an odd length too; the checksum covers all',
);
const UPWARD = by(ICMP, "an error about a packet of ours, given to its protocol with code and the path's MTU");
const TIMES = by(
  C792,
  'RFC 792: timestamp: originate comes back, receive and transmit are milliseconds since midnight, code 0',
);
const TOLD = by(
  UDP_RFC,
  'RFC 1122 4.1.4: a program sets TTL, TOS and options of what it sends, and sees the TTL of what comes',
);
const heard = (what: string) =>
  by(ERRQUEUE, `RFC 1122 4.1.3.3: ${what}: what a connected socket hears without, and with IP_RECVERR`);

export const RFC1122_IP: readonly Rule[] = [
  must('3.1', 'a host implements IP and ICMP', and(SENT, ECHOED)),
  must(
    '3.1',
    'a peer with several addresses is the applications’ concern',
    none('A program tries one address after the other, as on Linux.'),
  ),
  should(
    '3.1',
    'what is discarded is counted and can be logged',
    by(INTERNET, 'RFC 1122 3.1: what is discarded is counted, and the reason can be traced (SHOULD)'),
  ),
  must(
    '3.1',
    'what comes is checked, taken or discarded, put together, and handed up by protocol',
    and(
      by(IP_INPUT, 'ip_rcv, a packet that cannot be right: dropped with its reason and counter'),
      by(
        RAW,
        'RFC 1122 3.2.2.1: a protocol that nobody takes is told to the sender; with a raw socket for another address, too',
      ),
    ),
  ),
  must(
    '3.1',
    'a host that can be a gateway has a switch for it, off by default; several interfaces do not turn it on',
    by(INTERNET, 'RFC 1122 3.1: two interfaces do not make a router: forwarding is off until it is asked for'),
  ),
  must(
    '3.1',
    'while it is a gateway, the requirements for gateways hold',
    noted('See RFC 1812 below.', by(IP_FORWARD_RFC, 'a router')),
  ),
  must('3.2.1.1', 'another version than 4: discarded in silence', by(IP_INPUT, 'version 6')),
  must(
    '3.2.1.2',
    'the header checksum is checked on everything that comes; a wrong one: discarded in silence',
    by(IP_INPUT, 'wrong header checksum'),
  ),
  must(
    '3.2.1.3',
    'subnets: a mask for each address',
    and(
      by(FIB, 'one address, up: itself, its broadcast address, its subnet'),
      by(C1812, 'RFC 1812 4.2.2.11: addresses: several to an interface, each with its network'),
    ),
  ),
  mustNot(
    '3.2.1.3',
    '{0,0} is not sent but as a source while the host learns its address',
    by(INTERNET, 'RFC 1122 3.2.1.3: source 0.0.0.0 only where this host has no address yet'),
  ),
  mustNot(
    '3.2.1.3',
    '{0, host} is not sent',
    asLinux(
      'Since 5.3 Linux takes all of 0.0.0.0/8 but 0.0.0.0 for ordinary addresses.',
      by(INTERNET, 'RFC 1122 3.2.1.3: {0, host} (0.0.0.0/8 but 0.0.0.0): ordinary addresses to Linux, answered'),
    ),
  ),
  mustNot(
    '3.2.1.3',
    '{-1,-1}, {network,-1} and multicast are not sent as a source',
    by(
      INTERNET,
      'RFC 1122 3.2.1.3: a source that cannot be (a group, all, all of the network, somebody else): refused',
      'RFC 1122 3.2.1.3: a socket that is bound to a group or a broadcast sends from the address of the interface',
    ),
  ),
  mustNot(
    '3.2.1.3',
    '{127, any} does not appear outside the host',
    and(
      by(INTERNET, 'RFC 1122 3.2.1.3: 127.0.0.0/8 does not leave the host, neither as source nor as destination'),
      by(IP_INPUT, '127/8 as its source', '127/8 as its destination'),
    ),
  ),
  must(
    '3.2.1.3',
    'the source of what is sent is an address of this host, never a broadcast or multicast address',
    and(
      SENT,
      by(
        INTERNET,
        'RFC 1122 3.2.1.3: a source that cannot be (a group, all, all of the network, somebody else): refused',
        'RFC 1122 3.2.1.3: a socket that is bound to a group or a broadcast sends from the address of the interface',
      ),
    ),
  ),
  must(
    '3.2.1.3',
    'what is not for this host (its addresses, its broadcasts, its groups) is discarded in silence',
    by(IP_INPUT, "somebody else's address, no forwarding", 'nowhere, no forwarding', 'a group nobody here listens to'),
  ),
  must(
    '3.2.1.3',
    'an address of another interface of this host is its own (weak host; the strong one is allowed)',
    by(
      INTERNET,
      'RFC 1122 3.2.1.3: every address of every interface is its own, whichever the packet came by (weak host)',
    ),
  ),
  must(
    '3.2.1.3',
    'a source that is invalid by these rules: discarded in silence',
    by(
      IP_INPUT,
      'a group as its source',
      'all as its source',
      'no address as its source',
      'our own address as its source',
    ),
  ),
  must(
    '3.2.1.3',
    'so is a broadcast address of an own network as source',
    asLinux(
      'Linux without rp_filter checks only that the source is none of its own addresses.',
      by(
        INTERNET,
        'RFC 1122 3.2.1.3: a broadcast address of the link as source: dropped by rp_filter; taken without, as Linux does',
      ),
    ),
  ),
  must(
    '3.2.1.4',
    'reassembly',
    and(
      by(IP_FRAGMENT, 'ip_defrag, a datagram in fragments'),
      by(
        INTEROP_HOST,
        'our own pings of 8,000 and 65,507 bytes: Linux puts our fragments together and answers',
        'UDP echo: datagrams of up to 8,000 and of 65,507 bytes, in fragments both ways, come back equal',
      ),
    ),
  ),
  mustNot(
    '3.2.1.5',
    'a datagram that is sent again may have its old identification only if it is identical',
    noted('It gets a new one.', by(NEIGHBOUR, 'DF: identification 0; without: one more each time within a tick')),
  ),
  must(
    '3.2.1.6',
    'a transport protocol sets the TOS of each datagram',
    by(INTERNET, 'RFC 1122 3.2.1.6: the TOS of each packet is what its socket says'),
  ),
  mustNot('3.2.1.6', 'the reserved bits of TOS carry nothing of one’s own', noted('They are ECN’s (RFC 3168).', SENT)),
  mustNot(
    '3.2.1.7',
    'nothing is sent with a TTL of 0',
    by(
      INTERNET,
      'RFC 1122 3.2.1.7: what is for this host is taken with a TTL of 1 and of 0; what it sends has none of 0',
    ),
  ),
  mustNot(
    '3.2.1.7',
    'nothing is discarded because it came with a TTL below 2',
    by(
      INTERNET,
      'RFC 1122 3.2.1.7: what is for this host is taken with a TTL of 1 and of 0; what it sends has none of 0',
    ),
  ),
  must(
    '3.2.1.7',
    'a transport protocol sets the TTL of each datagram',
    and(
      TOLD,
      by(
        UDP_OUTPUT,
        'control messages on the way out: TTL, TOS, source address; out of range EINVAL, no such device ENODEV',
      ),
    ),
  ),
  must('3.2.1.7', 'a fixed default TTL is a setting', by(INTERNET, 'RFC 1122 3.2.1.7: the default TTL is a setting')),
  must('3.2.1.8', 'a transport protocol names the options of what it sends', PASSED_UP),
  must('3.2.1.8', 'all options but EOL and NOP of what comes are handed up (or to ICMP)', PASSED_UP),
  must(
    '3.2.1.8',
    'each layer understands those it knows and ignores the others in silence',
    and(
      by(INTERNET, 'RFC 1122 3.2.1.8: an option that nobody knows: ignored, the packet taken'),
      by(IP_OPTIONS, 'security, stream identifier: ignored', 'router alert: ignored'),
    ),
  ),
  mustNot(
    '3.2.1.8b',
    'stream identifier: obsolete, not sent, ignored when it comes',
    noted(
      'Sent only where a program hands it over, as by Linux.',
      by(IP_OPTIONS, 'security, stream identifier: ignored'),
    ),
  ),
  must(
    '3.2.1.8c',
    'source routes: a host can be the beginning of one',
    and(
      by(
        INTERNET,
        'RFC 1122 3.2.1.8: a program sends a source route: the first hop is the destination, the last in the option',
      ),
      by(IP_OPTIONS, 'a source route: its first hop is where the packet goes; undone, it is what was given'),
    ),
  ),
  must(
    '3.2.1.8c',
    'and the end of one',
    asLinux(
      'Where accept_source_route allows it; it does not by default.',
      and(REVERSED, by(IP_OPTIONS, 'refused by default')),
    ),
  ),
  must('3.2.1.8c', 'a route that is used up is handed to the transport protocol as it came', PASSED_UP),
  must(
    '3.2.1.8c',
    'the way back is built right: reversed, and without an address that the sender itself put in',
    REVERSED,
  ),
  mustNot('3.2.1.8c', 'no header has more than one source route', by(IP_OPTIONS, 'two source routes')),
  must(
    '3.2.1.8d',
    'record route is optional; where it is done, it follows RFC 791',
    by(IP_OPTIONS, 'record route: our address twice, as it came and as it leaves', 'record route, full'),
  ),
  must(
    '3.2.1.8e',
    'timestamp: the originator enters its own time, unless another address is named',
    by(INTERNET, 'RFC 1122 3.2.1.8: the originator of a timestamp option enters its own time first'),
  ),
  must(
    '3.2.1.8e',
    'timestamp: the destination adds its own, if there is room, before the option is handed up',
    by(IP_OPTIONS, 'time stamps only', 'addresses and time stamps', 'time stamps, full: counted'),
  ),
  must('3.2.1.8e', 'times follow the rules of ICMP’s', by(IP_OPTIONS, 'time stamps only')),
  must('3.2.2', 'an ICMP message of unknown type: discarded in silence', by(ICMP, 'unknown type')),
  must(
    '3.2.2',
    'errors quote the header and eight bytes at least, as they came',
    by(C792, 'RFC 792: an error quotes the header with its options and at least 64 bits, as they came'),
  ),
  must(
    '3.2.2',
    'an error for a transport protocol is found by the protocol number in what it quotes, and handed up',
    UPWARD,
  ),
  mustNot('3.2.2', 'no error about an error', by(ICMP, 'about an error, or an ICMP type unknown; but about an echo')),
  mustNot(
    '3.2.2',
    'no error about what went to a broadcast or multicast address',
    by(ICMP, 'about what went to a group', 'about what went to all'),
  ),
  mustNot('3.2.2', 'no error about what came in a frame for all', by(ICMP, 'about what came to all, by its frame')),
  mustNot('3.2.2', 'no error about a later fragment', by(ICMP, 'about a later fragment')),
  mustNot(
    '3.2.2',
    'no error about what does not come from a single host (0, loopback, broadcast, multicast)',
    by(C1812, 'RFC 1812 4.3.2.7: no error about a packet whose header is wrong, nor one from no single host'),
  ),
  mustNot(
    '3.2.2',
    'nor from class E',
    asLinux(
      'Linux takes 240.0.0.0/4 for ordinary addresses.',
      by(INTERNET, 'RFC 1122 3.2.2: class E (240.0.0.0/4) as source: an ordinary address to Linux, answered'),
    ),
  ),
  must(
    '3.2.2.1',
    'unreachables that come are reported to the transport protocol, and used by it',
    and(heard('net unreachable'), heard('host unreachable'), heard('port unreachable')),
  ),
  must(
    '3.2.2.1',
    'net, host and source route unreachable are hints only, no proof',
    by(INTERNET, 'RFC 1122 3.2.2.1: net, host and route unreachable are hints: a connected socket goes on'),
  ),
  should(
    '3.2.2.2',
    'a host sends no redirects',
    by(
      C1812,
      'RFC 1812 5.3.12.1: forwarding switched off: nothing is forwarded, no redirects, echoes are still answered',
    ),
  ),
  must(
    '3.2.2.2',
    'a redirect that comes changes the route to that destination',
    by(
      ROUTE,
      'RFC 1122 3.2.2.2: from the gateway in use to a neighbour that is known: obeyed, for that destination alone',
    ),
  ),
  must(
    '3.2.2.2',
    'network redirects count as host redirects',
    by(INTERNET, 'RFC 1122 3.2.2.2: a redirect for a network is taken as one for the host'),
  ),
  should(
    '3.2.2.2',
    'a redirect to a gateway off the link, or not from the gateway in use: ignored',
    by(ROUTE, 'RFC 1122 3.2.2.2: not from another host than the gateway in use, nor to an address beyond the link'),
  ),
  must(
    '3.2.2.3',
    'source quench is reported to the transport protocol',
    asLinux(
      'RFC 6633 forbids to react; Linux ignores it in UDP.',
      and(
        heard('source quench'),
        by(INTERNET, 'RFC 1122 3.2.2.3: source quench is heard and changes nothing (RFC 6633)'),
      ),
    ),
  ),
  must('3.2.2.4', 'time exceeded is handed up', heard('time exceeded')),
  must(
    '3.2.2.4',
    'time exceeded, reassembly: handed up, too',
    asLinux(
      'Linux counts it and goes no further.',
      by(ICMP, "an error about a packet of ours, given to its protocol with code and the path's MTU"),
    ),
  ),
  must('3.2.2.5', 'parameter problem is handed up', heard('parameter problem')),
  must(
    '3.2.2.6',
    'every host answers echoes',
    and(
      ECHOED,
      by(CAPTURES, 'a question for us, five echoes, and two of 4000 bytes in fragments, each answered as Linux did'),
    ),
  ),
  must(
    '3.2.2.6',
    'an echo to all may go unanswered',
    by(ICMP, 'echo to all', 'an echo to all with icmp_echo_ignore_broadcasts off, answered from our own address'),
  ),
  must(
    '3.2.2.6',
    'the answer comes from the address that was asked',
    by(INTERNET, 'RFC 1122 3.2.2.6: an echo reply goes out from the very address that was asked'),
  ),
  must(
    '3.2.2.6',
    'all data comes back, in fragments if need be',
    by(ICMP, 'an answer as long as the question, in as many fragments; its checksum right'),
  ),
  must(
    '3.2.2.6',
    'answers are handed to the program that asked',
    by(
      PING,
      'an echo request goes out with the socket’s identifier, its answer comes back with header and data',
      'an answer that no socket waits for is dropped with its reason',
    ),
  ),
  must('3.2.2.6', 'a source route is reversed and used for the answer', REVERSED),
  should(
    '3.2.2.6',
    'record route and timestamps are brought up to date and come back',
    by(IP_OPTIONS, 'record route: our address twice, as it came and as it leaves', 'addresses and time stamps'),
  ),
  should(
    '3.2.2.7',
    'information requests are neither sent nor answered',
    by(C792, 'RFC 792: information and address mask requests are taken and not answered'),
  ),
  must(
    '3.2.2.8',
    'timestamps, if answered: with as little delay as can be',
    none('Answered within the same softirq, as echoes are.'),
  ),
  must(
    '3.2.2.8',
    'the answer comes from the address that was asked',
    and(
      TIMES,
      by(
        C792,
        'RFC 792: an error goes to the source of what it is about, an answer to the source of the question, from its destination',
      ),
    ),
  ),
  must(
    '3.2.2.8',
    'a source route is reversed',
    by(INTERNET, 'RFC 1122 3.2.2.8: a timestamp request with a source route is answered along the route reversed'),
  ),
  must(
    '3.2.2.8',
    'record route and timestamps as with echoes',
    by(IP_OPTIONS, 'record route: our address twice, as it came and as it leaves'),
  ),
  must(
    '3.2.2.8',
    'answers to our own questions are handed to the program that asked',
    by(RAW, 'every matching socket gets a copy, the stack its own; ICMP_FILTER keeps types away'),
  ),
  must(
    '3.2.2.8',
    'times in milliseconds, within 15 changes a second and some minutes of the right time at least',
    noted('The clock ticks a thousand times a second.', TIMES),
  ),
  must('3.2.2.9', 'address masks can be set by hand', by(IP_COMMAND, 'ip addr, ip link: as shown')),
  must(
    '3.2.2.9',
    'masks learnt by ICMP: asked for again, not believed without asking',
    asLinux(
      'Neither asks nor believes.',
      by(INTERNET, 'RFC 1122 3.2.2.9: an address mask request is not answered, an address mask reply changes nothing'),
    ),
  ),
  must(
    '3.2.2.9',
    'who asks for a mask: asks again while no answer comes, and believes the first only',
    none('Nobody asks.'),
  ),
  must(
    '3.2.2.9',
    'an authority broadcasts its mask when it starts, if it is set so',
    none('There is no such setting.'),
  ),
  mustNot(
    '3.2.2.9',
    'no mask reply but from an authority that was made one by hand',
    by(INTERNET, 'RFC 1122 3.2.2.9: an address mask request is not answered, an address mask reply changes nothing'),
  ),
  must(
    '3.2.3',
    'IGMP is optional; where there is multicast, groups are told of, 224.0.0.1 not',
    and(
      by(IGMP, 'version 3: the change is told twice within about a second each time, and the card listens'),
      by(INTERNET, 'RFC 1122 3.3.7: a member of 224.0.0.1 from the start, and no reports about it'),
    ),
  ),
];
