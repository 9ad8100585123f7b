/** RFC 1812, chapter 5. */
import {
  C791,
  C1812,
  FIB,
  FIB_SEMANTICS,
  FIB_TRIE,
  INTERNET,
  INTEROP_ROUTER,
  IP_COMMAND,
  IP_FORWARD,
  IP_FORWARD_RFC,
  IP_INPUT,
  IP_OPTIONS,
  IP_OUTPUT,
  LINK,
  NEIGHBOUR,
  QDISCS,
  ROUTE,
  TABLES,
} from './files.ts';
import { and, asLinux, by, must, mustNot, none, notDone, noted, type Rule, should } from './rules.ts';

const HEADER = by(
  C1812,
  'RFC 1812 4.2.2.5, 5.2.2: version, header length, total length, checksum: wrong ones end at the router in silence',
);
const TTL = by(
  IP_FORWARD_RFC,
  'RFC 1812 5.3.1: the TTL goes down by one, a packet whose time is up is not forwarded and its sender told',
);
const REDIRECT = by(
  IP_FORWARD_RFC,
  'RFC 1812 5.2.7.2: out by the way it came, the sender on that link: told of the gateway, the packet sent on',
);
const ALL_ON_LINK = by(IP_FORWARD_RFC, 'RFC 1812 5.3.4: what came to all on the link is not forwarded');
const BROADCASTS = by(
  C1812,
  'RFC 1812 5.3.5.1, 5.3.5.2: broadcasts of this link and all of them: taken by the router itself, not forwarded',
);
const DIRECTED = by(
  IP_FORWARD_RFC,
  'RFC 2644: a broadcast to another of its subnets is not forwarded, unless bc_forwarding says so',
);
const MARTIANS = by(
  C1812,
  'RFC 1812 5.3.7: by default: what comes from or goes to 127.0.0.0/8 or 0.0.0.0 is not forwarded',
);
const ALL_TOS = by(
  C1812,
  'RFC 1812 5.3.2, 5.3.3: TOS and precedence of what is forwarded stay as they are, and all of them are forwarded',
);
const UNKNOWN = by(C1812, 'RFC 1812 4.2.2.6, 5.3.13.1: an option that a router does not know is forwarded as it is');
const RECORDED = by(
  C1812,
  'RFC 1812 5.3.13.5, 4.2.2.2: record route: the address of the interface it leaves by; full: passed on as it is',
);
const LOOSE = by(
  C1812,
  'RFC 1812 5.3.13.4: a loose source route through a router: its address in place of the next hop, no redirect',
);
const STAMPED = by(
  C791,
  'RFC 791 3.1: a router adds its time to a timestamp option, and with its address the one it sends from',
);
const DOWN = by(
  C1812,
  'RFC 1812 5.3.12.3: an interface goes down: its routes are not used any more, another one for the same place is',
);
const OFF = by(
  C1812,
  'RFC 1812 5.3.12.1: forwarding switched off: nothing is forwarded, no redirects, echoes are still answered',
);
const LONGEST = by(
  C1812,
  'RFC 1812 5.2.4.3: the longest prefix decides, whatever the order and the metrics of the routes',
);

export const RFC1812_FORWARDING: readonly Rule[] = [
  must(
    '5.2.1',
    'the steps of forwarding: validation, options, decision, TTL, cutting, ARP, and the errors that each may send',
    and(
      by(IP_FORWARD, 'a packet for a neighbour on the other side, passed on with one hop less and a right checksum'),
      by(
        INTEROP_ROUTER,
        'our host as the gateway between two real namespaces: pings, large ones too, and UDP get through; nobody redirects',
      ),
    ),
  ),
  must(
    '5.2.1.2',
    'a packet for the router itself and for others (multicast, broadcast) is delivered, and forwarded only where that is allowed',
    BROADCASTS,
  ),
  must('5.2.2', 'the frame holds a whole minimal header (20 bytes)', by(IP_INPUT, 'shorter than a header')),
  must('5.2.2', 'the checksum is right', HEADER),
  must('5.2.2', 'the version is 4', HEADER),
  must('5.2.2', 'the header length is 5 words at least', HEADER),
  must('5.2.2', 'the total length holds the header', HEADER),
  must('5.2.2', 'what fails any of these is discarded in silence; no switch turns them off', HEADER),
  must(
    '5.2.2',
    'a total length beyond the frame is noticed; padding is not taken for data',
    by(IP_INPUT, 'total length beyond the frame', 'padding behind the packet, cut off before anybody sees it'),
  ),
  must(
    '5.2.3',
    'for the router: a destination that is one of its addresses, on any interface',
    by(
      C1812,
      'RFC 1812 5.2.3: for the router: any of its addresses, whichever interface it comes by; all others go on',
    ),
  ),
  must(
    '5.2.3',
    'for the router: a source route that is used up and names it; one that is not goes on',
    and(LOOSE, by(IP_OPTIONS, 'ended here: the answer goes back the way it came')),
  ),
  must('5.2.3', 'for the router: broadcasts of the interface it came by', BROADCASTS),
  must(
    '5.2.3',
    'for the router: groups that it is a member of on that interface',
    by(INTERNET, 'RFC 1122 3.3.7: a member of 224.0.0.1 from the start, and no reports about it'),
  ),
  mustNot(
    '5.2.3',
    'for the router are none but these; nothing else is delivered',
    by(IP_INPUT, 'a group nobody here listens to', "somebody else's address, no forwarding"),
  ),
  must('5.2.4.1', 'the destination for forwarding is that of the header, or the next of a source route', LOOSE),
  must(
    '5.2.4.2',
    'a destination on a network of one of its interfaces is sent to directly',
    by(IP_FORWARD, 'a packet for a neighbour on the other side, passed on with one hop less and a right checksum'),
  ),
  must('5.2.4.2', 'with unnumbered interfaces, decided by routes', none('No point-to-point interfaces.')),
  must(
    '5.2.4.3',
    'of the routes that match, those with the longest prefix',
    and(
      LONGEST,
      by(FIB, 'any set of routes: a lookup finds the longest prefix'),
      by(FIB_TRIE, '20,000 random changes and lookups: as a list searched from end to end; its nodes stay in order'),
    ),
  ),
  must('5.2.4.3', 'a default route is the last resort', LONGEST),
  must(
    '5.2.4.3',
    'a host route is used like any other prefix',
    by(C1812, 'RFC 1812 4.2.3.4: networks of any prefix length, one within the other'),
  ),
  must(
    '5.2.4.3',
    'of equal prefixes, by TOS and metric',
    by(FIB, 'several metrics for a prefix: the smallest counts, the next one when it is gone'),
  ),
  should(
    '5.2.4.3',
    'load may be shared over equal routes, by a setting',
    by(FIB_SEMANTICS, 'policy 0: by addresses, in proportion to the weights; a flow keeps its way whatever its ports'),
  ),
  must(
    '5.2.5',
    'unused header bits: as 4.2.2.3',
    by(C1812, 'RFC 1812 4.2.2.3: reserved bits of flags and TOS: neither checked nor changed in what is forwarded'),
  ),
  must(
    '5.2.6',
    'what does not fit is cut, unless DF is set',
    and(
      by(IP_OUTPUT, 'without DF: cut, each piece a copy', 'with DF: its sender is told what fits'),
      by(INTEROP_ROUTER, 'PMTU discovery across a small link behind us: Linux is told 1280, and keeps to it'),
    ),
  ),
  mustNot(
    '5.2.6',
    'nothing that is forwarded is put together first',
    noted(
      'With connection tracking it is, as in Linux, and cut again as it came.',
      and(
        by(C1812, 'RFC 1812 5.2.6: fragments are forwarded one by one, never put together'),
        by(IP_OUTPUT, 'cut as it came, though more would fit'),
      ),
    ),
  ),
  must(
    '5.2.7.1',
    'no route: net unreachable',
    and(
      by(
        ROUTE,
        'RFC 1812 5.2.7.1: no route, unreachable, prohibited: told by code, two at once and then one every two seconds',
      ),
      by(IP_FORWARD, 'no route, network unreachable to the sender'),
    ),
  ),
  must(
    '5.2.7.1',
    'a neighbour that does not answer: host unreachable',
    by(
      IP_FORWARD_RFC,
      'RFC 1812 5.2.4.3: a link-layer failure is told as host unreachable, once the neighbour did not answer',
    ),
  ),
  must(
    '5.2.7.1',
    'filtered: prohibited (code 13), or silence, as configured',
    and(
      by(
        ROUTE,
        'RFC 1812 5.2.7.1: no route, unreachable, prohibited: told by code, two at once and then one every two seconds',
      ),
      by('test/interop/netfilter.test.ts', 'a rule rejects large pings as prohibited: ping says so'),
    ),
  ),
  must(
    '5.2.7.1',
    'too long with DF: fragmentation needed',
    by(IP_FORWARD, 'larger than the next link with DF, fragmentation needed with that link’s MTU'),
  ),
  must(
    '5.2.7.1',
    'codes 8 (source host isolated) and the TOS codes 11 and 12: the latter where TOS decides',
    asLinux('Linux has no routes by TOS that would call for them: codes 0 and 1.'),
  ),
  must('5.2.7.2', 'host redirects can be sent', REDIRECT),
  mustNot('5.2.7.2', 'no network redirects', REDIRECT),
  mustNot(
    '5.2.7.2',
    'only if it leaves by the interface it came by',
    by(IP_FORWARD, 'a packet behind a gateway, sent to the gateway’s address'),
  ),
  mustNot(
    '5.2.7.2',
    'only if the sender is on the network of the next hop',
    by(
      IP_FORWARD_RFC,
      'RFC 1812 5.2.7.2: not to a sender of another network, nor with send_redirects off',
      'RFC 1812 5.2.7.2: without shared media, not for a gateway of another subnet than the sender',
    ),
  ),
  mustNot('5.2.7.2', 'not for what has a source route', LOOSE),
  must('5.2.7.2', 'the redirect comes from an address of the network that the sender is on', REDIRECT),
  mustNot(
    '5.2.7.2',
    'routes learnt from redirects are not used in forwarding',
    by(ROUTE, 'accept_redirects 0, and a router: not obeyed'),
  ),
  must(
    '5.2.7.3',
    'TTL used up: time exceeded, code 0',
    and(TTL, by(INTEROP_ROUTER, 'traceroute to a host behind our router: the router, then the host')),
  ),
  must('5.3.1', 'the TTL is lowered by one at least; a packet that reaches zero is not forwarded', TTL),
  must(
    '5.3.1',
    'and its sender told, unless it is multicast',
    and(TTL, by(C1812, 'RFC 1812 5.2.7.3: the TTL of a multicast or broadcast packet runs out without a message')),
  ),
  mustNot('5.3.1', 'not discarded while the TTL is above 1', TTL),
  must(
    '5.3.1',
    'a packet for the router itself is taken with any TTL',
    by(IP_FORWARD_RFC, 'RFC 1812 5.3.1: a packet for the router itself is taken whatever its TTL'),
  ),
  should(
    '5.3.2',
    'TOS is carried on, and may choose the route',
    and(
      ALL_TOS,
      by('test/kernel/net/ipv4/fib_rules.test.ts', 'each selector of a rule: it picks its packets, and no others'),
    ),
  ),
  mustNot(
    '5.3.2',
    'a route’s TOS that does not match is no reason to discard while a default one is there',
    by('test/kernel/net/ipv4/fib_rules.test.ts', 'each selector of a rule: it picks its packets, and no others'),
  ),
  must(
    '5.3.3.1',
    'where queues are ordered by precedence, the higher goes first',
    noted(
      'A discipline of the device: pfifo_fast, prio.',
      by(QDISCS, 'three bands by priority, a lower one waits for all higher ones'),
    ),
  ),
  must('5.3.3.3', 'all precedences are forwarded alike, unless configured otherwise', ALL_TOS),
  mustNot('5.3.3.3', 'the precedence of others’ packets is not changed', ALL_TOS),
  must(
    '5.3.3.3',
    'the router’s own control messages have precedence 6 or 7',
    by(
      C1812,
      'RFC 1812 4.3.2.5: an error has the TOS of its cause and precedence 6; an answer the TOS of the question',
    ),
  ),
  must(
    '5.3.3.2',
    'link-layer precedence where the link has it',
    none('VLAN priorities can be mapped; plain Ethernet has none.'),
  ),
  mustNot('5.3.4', 'what came in a frame for all is not forwarded, multicast IP excepted', ALL_ON_LINK),
  mustNot('5.3.4', 'what came in a frame for a group neither', ALL_ON_LINK),
  must(
    '5.3.4',
    'what leaves in a frame for all has a broadcast or multicast IP address',
    by(LINK, 'RFC 1122 2.4, 3.3.6: what goes to one address goes to one Ethernet address, to all only what is for all'),
  ),
  mustNot(
    '5.3.5.1',
    '255.255.255.255 is not forwarded',
    by(IP_FORWARD_RFC, 'RFC 1812 5.3.5.1: 255.255.255.255 is not forwarded'),
  ),
  mustNot('5.3.5.1', 'it is not discarded by the router, which is one of those meant', BROADCASTS),
  must('5.3.5.2', 'a broadcast to a network that is directly attached is known to be one', DIRECTED),
  must('5.3.5.2', 'a switch for forwarding them; off by default (RFC 2644)', DIRECTED),
  must('5.3.5.3', 'broadcasts to all subnets: none are forwarded', BROADCASTS),
  should(
    '5.3.6',
    'what is discarded in congestion is chosen fairly',
    noted('fq_codel, the default discipline.', by('test/kernel/net/sched/sch_fq_codel.test.ts', 'fq_codel')),
  ),
  mustNot('5.3.7', 'what has 127.0.0.0/8 as source or destination is not forwarded', MARTIANS),
  must('5.3.7', 'the checks of special addresses are on by default', MARTIANS),
  should(
    '5.3.7',
    'what is discarded for them is logged',
    by(ROUTE, 'RFC 1812 5.3.7: martian sources and destinations are not forwarded, and logged on demand'),
  ),
  must(
    '5.3.8',
    'source validation can be set per interface; off by default',
    and(
      by(ROUTE, 'RFC 1812 5.3.8: rp_filter 1 drops what did not come the way back to its source, 2 what has none'),
      by(C1812, 'RFC 1812 5.3.8: source validation is off unless it is asked for'),
    ),
  ),
  must(
    '5.3.9',
    'filters by addresses, ports and protocol; without any, all is forwarded',
    by(TABLES, 'user chains: jump, return, goto, policy; every rule and policy counts'),
  ),
  must(
    '5.3.9',
    'what is filtered: in silence or with a message, by choice',
    by(TABLES, 'REJECT with a reset: as the receiver would have sent it, to a SYN and to an ACK; none to a reset'),
  ),
  should('5.3.10', 'multicast is forwarded, with a switch', notDone('There is no multicast routing.')),
  must(
    '5.3.11',
    'forwarding can be switched off for an interface',
    by(IP_FORWARD_RFC, 'forwarding off for one device: what comes by it stays'),
  ),
  must(
    '5.3.12.1',
    'forwarding stops: no routes are advertised any more',
    none('Routing protocols are not part of this stack.'),
  ),
  must('5.3.12.1', 'forwarding stops: the rest goes on as a host', OFF),
  must(
    '5.3.12.2',
    'forwarding starts by command only, and without a restart',
    by(INTERNET, 'RFC 1122 3.1: two interfaces do not make a router: forwarding is off until it is asked for'),
  ),
  must(
    '5.3.12.3',
    'an interface fails: routes by it are taken out of use',
    and(
      DOWN,
      by(FIB, 'device down: the address stays ours, the routes go; up: they come back, those added by hand do not'),
    ),
  ),
  must(
    '5.3.12.3',
    'and the best of what is left is used',
    and(DOWN, by(FIB_SEMANTICS, 'a device down: its next hop is dead, the other takes all; up again: both')),
  ),
  must(
    '5.3.12.4',
    'an interface comes up: its routes are back',
    by(FIB, 'device down: the address stays ours, the routes go; up: they come back, those added by hand do not'),
  ),
  must('5.3.13.1', 'unknown options are passed on unchanged', UNKNOWN),
  should(
    '5.3.13.2',
    'security option',
    noted(
      'Passed on, not interpreted.',
      by(
        C791,
        'RFC 791 3.1: the security option is let through, in both directions, as any other that means nothing here',
      ),
    ),
  ),
  must('5.3.13.3', 'stream identifier: ignored, passed on', UNKNOWN),
  must(
    '5.3.13.4',
    'source routes are obeyed, loose and strict',
    and(
      LOOSE,
      by(C791, 'RFC 791 3.1: strict source route: on to a neighbour; to one behind a gateway: source route failed'),
    ),
  ),
  mustNot(
    '5.3.13.4',
    'a switch that discards them is off by default',
    asLinux('accept_source_route is 0 for all: they are refused.', by(IP_OPTIONS, 'refused by default')),
  ),
  must('5.3.13.5', 'record route is filled in', RECORDED),
  mustNot('5.3.13.5', 'a switch that leaves it alone is off by default', noted('There is none.', RECORDED)),
  must(
    '5.3.13.6',
    'timestamps: times alone, with addresses, and for the router if it is named',
    and(STAMPED, by(IP_OPTIONS, 'time stamp of a named host, us')),
  ),
  must(
    '5.3.13.6',
    'a full one: the overflow count, or parameter problem when that is full too',
    by(C791, 'RFC 791 3.1: timestamps full: a router counts in the overflow field; beyond fifteen: parameter problem'),
  ),
  must('5.3.13.6', 'times follow RFC 1122 3.2.2.8', STAMPED),
  must(
    '5.2.4',
    'static routes by hand',
    and(
      by(IP_COMMAND, 'routes of every kind: added, shown, asked for, as Linux words them'),
      by(NEIGHBOUR, 'by a gateway: to its Ethernet address'),
    ),
  ),
  must(
    '6.1',
    'UDP as RFC 1122 4.1 has it',
    noted(
      'See RFC 1122 above.',
      by(
        'test/kernel/net/ipv4/udp_rfc.test.ts',
        'RFC 1122 4.1.4: a program sets TTL, TOS and options of what it sends, and sees the TTL of what comes',
      ),
    ),
  ),
];
