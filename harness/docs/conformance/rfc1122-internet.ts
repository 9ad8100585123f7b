/** RFC 1122, 3.3 and 3.4: routing, fragments, addresses, broadcasts, the interface to transport. */
import {
  C768,
  C791,
  C1812,
  CAPTURES,
  ERRQUEUE,
  FIB,
  FIB_RULES,
  FIB_SEMANTICS,
  ICMP,
  INTERNET,
  IP_COMMAND,
  IP_FORWARD_RFC,
  IP_FRAGMENT,
  IP_OPTIONS,
  IP_OUTPUT,
  LINK,
  NEIGHBOUR,
  RAW,
  ROUTE,
  SOCKOPTS,
  UDP,
  UDP_MCAST,
  UDP_RFC,
} from './files.ts';
import { and, asLinux, by, must, mustNot, noted, type Rule, should } from './rules.ts';

const EXPIRES = by(IP_FRAGMENT, 'the first fragment is there: after 30 s time exceeded, with what was there of it');
const PASSED_UP = by(
  UDP_RFC,
  'RFC 1122 4.1.3.2: options in the header reach the program, and the program sends its own',
);
const UPWARD = by(ICMP, "an error about a packet of ours, given to its protocol with code and the path's MTU");
const TOLD = by(
  UDP_RFC,
  'RFC 1122 4.1.4: a program sets TTL, TOS and options of what it sends, and sees the TTL of what comes',
);

export const RFC1122_INTERNET: readonly Rule[] = [
  must(
    '3.3.1.1',
    'a destination on an own network: sent to it directly',
    by(INTERNET, 'RFC 1122 3.3.1.1: on the network of an interface: sent to the host itself; else to a gateway'),
  ),
  must(
    '3.3.1.1',
    'others by a gateway',
    and(
      by(INTERNET, 'RFC 1122 3.3.1.1: on the network of an interface: sent to the host itself; else to a gateway'),
      by(NEIGHBOUR, 'by a gateway: to its Ethernet address'),
    ),
  ),
  must(
    '3.3.1.1',
    'what has no remembered way goes to a default gateway',
    by(INTERNET, 'RFC 1122 3.3.1.1: on the network of an interface: sent to the host itself; else to a gateway'),
  ),
  must(
    '3.3.1.1',
    'own addresses and broadcasts are recognised without a gateway',
    by(
      NEIGHBOUR,
      'to ourselves: by the loopback, and no neighbour is asked',
      'to all: on the link, and a copy to ourselves',
    ),
  ),
  must(
    '3.3.1.1',
    'a host works on a network without any gateway',
    by(INTERNET, 'RFC 1122 3.3.1.1: without any route: the program is told, nothing is sent'),
  ),
  must(
    '3.3.1.2',
    'next hops are remembered per destination',
    noted(
      'Exceptions at the next hop, not a cache of all.',
      by(FIB, 'asked again: the same object; after a change: another, and the old one does not pass its check'),
    ),
  ),
  must(
    '3.3.1.2',
    'several default gateways, with preferences',
    and(
      by(INTERNET, 'RFC 1122 3.3.1.2: several default gateways, each with a preference: the lowest metric is used'),
      by(FIB_SEMANTICS, 'RFC 1122 3.3.1.4: one gateway does not answer: the next packets go by another'),
    ),
  ),
  must(
    '3.3.1.2',
    'redirects change what is remembered',
    by(
      ROUTE,
      'RFC 1122 3.2.2.2: from the gateway in use to a neighbour that is known: obeyed, for that destination alone',
    ),
  ),
  should(
    '3.3.1.3',
    'the way may depend on TOS',
    by(FIB_RULES, 'each selector of a rule: it picks its packets, and no others'),
  ),
  must(
    '3.3.1.4',
    'a dead gateway is found out and another is used',
    by(FIB_SEMANTICS, 'RFC 1122 3.3.1.4: one gateway does not answer: the next packets go by another'),
  ),
  mustNot(
    '3.3.1.4',
    'gateways are not pinged all the time',
    noted(
      'No pings at all: ARP says whether a neighbour is there, and only when it is used.',
      by(NEIGHBOUR, 'reachable and idle: STALE; used again: DELAY, then asked for directly, then FAILED'),
    ),
  ),
  must(
    '3.3.1.4',
    'asked only when something is sent to it, and nothing else says that it lives',
    by(ROUTE, 'a neighbour confirmed by a higher layer: REACHABLE instead of probed'),
  ),
  must(
    '3.3.1.5',
    'a failed gateway is replaced by the next of the list, which is used from then on',
    by(FIB_SEMANTICS, 'RFC 1122 3.3.1.4: one gateway does not answer: the next packets go by another'),
  ),
  must(
    '3.3.1.6',
    'address, mask and default gateways with their preference can be set by hand',
    and(
      by(
        IP_COMMAND,
        'routes of every kind: added, shown, asked for, as Linux words them',
        'ip addr, ip link: as shown',
      ),
    ),
  ),
  must(
    '3.3.2',
    'reassembly of 576 bytes at least, and of the MTU of any own network',
    and(
      by(C791, 'RFC 791 3.1: a datagram of 576 bytes is taken, in one piece and in fragments of the smallest kind'),
      by(IP_FRAGMENT, 'of the longest possible datagram, 65,535 bytes'),
    ),
  ),
  must(
    '3.3.2',
    'a transport protocol can learn how long a message it may receive (MMS_R)',
    asLinux(
      'Nothing to ask: 65,535 bytes less headers, always.',
      by(IP_FRAGMENT, 'of the longest possible datagram, 65,535 bytes'),
    ),
  ),
  must('3.3.2', 'a time-out for reassembly', EXPIRES),
  should('3.3.2', 'of a fixed value, 60 to 120 s', asLinux('30 s.', EXPIRES)),
  must(
    '3.3.2',
    'after it the pieces are discarded, and time exceeded is sent if the first is among them',
    and(EXPIRES, by(IP_FRAGMENT, 'it is not: silence')),
  ),
  must(
    '3.3.3',
    'a transport protocol can learn how long a message it may send (MMS_S)',
    by(INTERNET, 'RFC 1122 3.3.3: what may not be cut and does not fit is refused, and the program learns the MTU'),
  ),
  must(
    '3.3.3',
    'a longer one is cut or refused, never sent so',
    and(
      by(INTERNET, 'RFC 1122 3.3.3: what may not be cut and does not fit is refused, and the program learns the MTU'),
      by(IP_OUTPUT, 'too long, or with IP_PMTUDISC_DO over the MTU: -EMSGSIZE, nothing is left'),
    ),
  ),
  should(
    '3.3.3',
    '576 bytes at most to destinations off the link, unless more is known to pass',
    asLinux(
      'Path MTU discovery (RFC 1191) instead.',
      by(ROUTE, 'RFC 1191 6.3: "fragmentation needed" is believed for that destination alone, for ten minutes'),
    ),
  ),
  must(
    '3.3.4.2',
    'a source address is chosen by the way out, unless the program names one',
    by(ROUTE, 'RFC 1122 3.3.4.3: the source is the primary address of the way out, or what the route prefers'),
  ),
  must(
    '3.3.4.3',
    'an answer comes from the address that was asked',
    by(INTERNET, 'RFC 1122 3.2.2.6: an echo reply goes out from the very address that was asked'),
  ),
  must(
    '3.3.4.3',
    'a program can name the source address',
    by(
      UDP_RFC,
      'RFC 1122 4.1.3.5: the address a datagram was sent to is told; a program chooses the one it sends from',
    ),
  ),
  mustNot(
    '3.3.5',
    'a host forwards along source routes only if that was switched on; the switch is off',
    by(INTERNET, 'RFC 1122 3.3.5: a host does not forward along a source route, unless it is told to be a router'),
  ),
  must(
    '3.3.5',
    'where it does, it obeys the rules of gateways: TTL, ICMP, options',
    by(
      C1812,
      'RFC 1812 5.3.13.4: a loose source route through a router: its address in place of the next hop, no redirect',
    ),
  ),
  must(
    '3.3.5',
    'where it does, it can say “fragmentation needed” and “source route failed”',
    and(
      by(
        INTERNET,
        'RFC 1122 3.3.5: along a source route, too long with DF: fragmentation needed, back along the route',
      ),
      by(C791, 'RFC 791 3.1: strict source route: on to a neighbour; to one behind a gateway: source route failed'),
    ),
  ),
  must(
    '3.3.5',
    'where it does, record route and timestamps are brought up to date',
    by(
      C1812,
      'RFC 1812 5.3.13.5, 4.2.2.2: record route: the address of the interface it leaves by; full: passed on as it is',
    ),
  ),
  must(
    '3.3.5',
    'where it does, rules of access hold for it',
    by(
      'test/kernel/net/netfilter/tables.test.ts',
      'user chains: jump, return, goto, policy; every rule and policy counts',
    ),
  ),
  mustNot(
    '3.3.5',
    'never from a broadcast, nor from one interface to another by default',
    asLinux(
      'One switch for both kinds (ip_forward with accept_source_route).',
      by(IP_FORWARD_RFC, 'RFC 1812 5.3.4: what came to all on the link is not forwarded'),
    ),
  ),
  must(
    '3.3.6',
    '{-1,-1} and {network,-1} are recognised as broadcasts',
    by(
      INTERNET,
      'RFC 1122 3.3.6: for all: 255.255.255.255 and the broadcast address of the network; {network, 0} is one host (Linux)',
    ),
  ),
  must(
    '3.3.6',
    'so are the old forms with zeros',
    asLinux(
      '{network, 0} is an ordinary address since Linux 5.14; {0,0} is taken as a broadcast only from source 0.',
      by(
        INTERNET,
        'RFC 1122 3.3.6: for all: 255.255.255.255 and the broadcast address of the network; {network, 0} is one host (Linux)',
      ),
    ),
  ),
  must(
    '3.3.6',
    'what goes out in a frame for all has a broadcast or multicast IP address',
    by(LINK, 'RFC 1122 2.4, 3.3.6: what goes to one address goes to one Ethernet address, to all only what is for all'),
  ),
  should(
    '3.3.6',
    'what comes in a frame for all with another IP address is discarded',
    asLinux(
      'A setting of the device, off by default.',
      by(
        INTERNET,
        'RFC 1122 3.3.6: unicast in a frame for all: taken, as Linux does; discarded with drop_unicast_in_l2_multicast',
      ),
    ),
  ),
  must('3.3.6', 'a program needs to say that it means a broadcast', by(UDP, 'a broadcast address needs SO_BROADCAST')),
  mustNot(
    '3.3.6',
    'a broadcast address is no source',
    by(
      INTERNET,
      'RFC 1122 3.2.1.3: a source that cannot be (a group, all, all of the network, somebody else): refused',
    ),
  ),
  should(
    '3.3.7',
    'groups (RFC 1112): sending, joining, receiving',
    and(
      by(
        UDP_MCAST,
        'a datagram to a group: to members, to who hears all groups, not to who wants other sources or groups',
      ),
      by(NEIGHBOUR, 'to a group: by its Ethernet address, TTL as given; to one we are in: a copy to ourselves'),
    ),
  ),
  must(
    '3.3.8',
    'errors found in what comes are reported by ICMP where that is allowed',
    and(
      by(IP_OPTIONS, 'options that cannot be right: parameter problem, with the place'),
      by(CAPTURES, 'six datagrams to closed ports answered, eleven met with silence, as Linux did'),
    ),
  ),
  must(
    '3.4',
    'a transport protocol can use all of IP',
    and(TOLD, by(SOCKOPTS, 'a new socket of each kind: every option as Linux has it')),
  ),
  must(
    '3.4',
    'the interface that something came by is handed up',
    by(
      UDP_RFC,
      'RFC 1122 4.1.3.5: the address a datagram was sent to is told; a program chooses the one it sends from',
    ),
  ),
  must('3.4', 'all IP options are handed up', PASSED_UP),
  must(
    '3.4',
    'a transport protocol can send certain ICMP messages',
    and(
      by(
        UDP_RFC,
        'RFC 1122 4.1.3.1: nobody on the port: ICMP port unreachable with the whole datagram; none for a broadcast',
      ),
      by(RAW, 'a packet of its own: IP_TTL in the header, protocol from the socket'),
    ),
  ),
  must(
    '3.4',
    'certain ICMP messages are handed up, with the header and eight bytes at least of what they are about',
    and(
      UPWARD,
      by(ERRQUEUE, 'IP_RECVERR: the error, what was sent, where to, and who says so; POLLERR until it is read'),
    ),
  ),
  must(
    '3.4',
    'a transport protocol is told when what it sends cannot go out',
    by(INTERNET, 'RFC 1122 3.4: a host that does not answer ARP: the program that sent to it is told'),
  ),
  must(
    '3.4',
    'a transport protocol can ask for the source address and the largest message of a destination',
    and(
      by(
        C768,
        'RFC 1122 4.1.3.6: what is sent has an address of this host as its source, whatever the socket is bound to',
      ),
      by(INTERNET, 'RFC 1122 3.3.3: what may not be cut and does not fit is refused, and the program learns the MTU'),
    ),
  ),
  must(
    '3.4',
    'a transport protocol can say that a path works or fails',
    by(ROUTE, 'a neighbour confirmed by a higher layer: REACHABLE instead of probed'),
  ),
];
