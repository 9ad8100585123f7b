import {
  C791,
  C792,
  C1812,
  CAPTURES,
  ERRQUEUE,
  ICMP,
  INTERNET,
  IP_FORWARD,
  IP_FORWARD_RFC,
  IP_FRAGMENT,
  IP_INPUT,
  IP_OPTIONS,
  IP_OUTPUT,
  PING,
  RAW,
  ROUTE,
  UDP_RFC,
} from './files.ts';
import { and, asLinux, by, none, type Rfc, rule } from './rules.ts';

const QUOTE = by(C792, 'RFC 792: an error quotes the header with its options and at least 64 bits, as they came');
const WAY = by(
  C792,
  'RFC 792: an error goes to the source of what it is about, an answer to the source of the question, from its destination',
);
const UNUSED = by(
  C792,
  'RFC 792: fragmentation needed, time exceeded, parameter problem: unused words 0 but for MTU and pointer',
);
const NEVER = by(C792, 'RFC 792: no message about a message, and only about fragment zero');

export const RFC792: Rfc = {
  number: 792,
  title: 'Internet Control Message Protocol',
  intro:
    'Without MUSTs; each message’s fields and occasions are listed. ICMP is part of IP and implemented by every module.',
  rules: [
    rule(
      'Introduction',
      'no message about a message',
      and(NEVER, by(ICMP, 'about an error, or an ICMP type unknown; but about an echo')),
    ),
    rule('Introduction', 'about fragment zero only', and(NEVER, by(ICMP, 'about a later fragment'))),
    rule(
      'Message Formats',
      'in an IP header with protocol 1; type of service 0',
      asLinux(
        'Errors have precedence 6 and the TOS of their cause (RFC 1812 4.3.2.5), answers the TOS of the question.',
        by(
          C1812,
          'RFC 1812 4.3.2.5: an error has the TOS of its cause and precedence 6; an answer the TOS of the question',
        ),
      ),
    ),
    rule('Message Formats', 'unused fields are sent as 0 and not looked at', UNUSED),
    rule('Message Formats', 'the checksum covers the whole message', and(QUOTE, by(ICMP, 'wrong checksum'))),
    rule(
      'Message Formats',
      'source: the address of the module that makes the message',
      and(
        WAY,
        by(C1812, 'RFC 1812 4.3.2.4: a message of the router comes from an address of the interface that it leaves by'),
      ),
    ),
    rule('Errors', 'to the source of what they are about, with its header and 64 bits of its data', and(QUOTE, WAY)),
    rule(
      'Unreachable',
      'a gateway: net unreachable without a route',
      by(C792, 'RFC 792: a gateway discards what it has no route for, and says net unreachable'),
    ),
    rule(
      'Unreachable',
      'a gateway: host unreachable',
      by(
        IP_FORWARD_RFC,
        'RFC 1812 5.2.4.3: a link-layer failure is told as host unreachable, once the neighbour did not answer',
      ),
    ),
    rule(
      'Unreachable',
      'a host: protocol unreachable',
      and(
        by(IP_INPUT, 'a protocol nobody serves, told to the sender with as much as fits 576 bytes'),
        by(
          RAW,
          'RFC 1122 3.2.2.1: a protocol that nobody takes is told to the sender; with a raw socket for another address, too',
        ),
      ),
    ),
    rule(
      'Unreachable',
      'a host: port unreachable',
      and(
        by(
          UDP_RFC,
          'RFC 1122 4.1.3.1: nobody on the port: ICMP port unreachable with the whole datagram; none for a broadcast',
        ),
        by(CAPTURES, 'six datagrams to closed ports answered, eleven met with silence, as Linux did'),
      ),
    ),
    rule(
      'Unreachable',
      'a gateway: fragmentation needed and DF set',
      and(
        by(IP_FORWARD, 'larger than the next link with DF, fragmentation needed with that link’s MTU'),
        by(IP_OUTPUT, 'with DF: its sender is told what fits'),
      ),
    ),
    rule(
      'Unreachable',
      'source route failed',
      by(C791, 'RFC 791 3.1: strict source route: on to a neighbour; to one behind a gateway: source route failed'),
    ),
    rule(
      'Unreachable',
      'received: told to the protocol that sent',
      by(
        ERRQUEUE,
        'RFC 1122 4.1.3.3: net unreachable: what a connected socket hears without, and with IP_RECVERR',
        'RFC 1122 4.1.3.3: host unreachable: what a connected socket hears without, and with IP_RECVERR',
        'RFC 1122 4.1.3.3: protocol unreachable: what a connected socket hears without, and with IP_RECVERR',
        'RFC 1122 4.1.3.3: port unreachable: what a connected socket hears without, and with IP_RECVERR',
      ),
    ),
    rule(
      'Time exceeded',
      'a gateway that finds the TTL at zero discards; code 0',
      by(IP_FORWARD, 'the last hop, time exceeded to the sender and nothing out'),
    ),
    rule(
      'Time exceeded',
      'a host that gives up on fragments: code 1, if fragment zero is there',
      by(
        IP_FRAGMENT,
        'the first fragment is there: after 30 s time exceeded, with what was there of it',
        'it is not: silence',
      ),
    ),
    rule(
      'Parameter problem',
      'who discards because of a header says so, with a pointer to the byte',
      by(IP_OPTIONS, 'options that cannot be right: parameter problem, with the place'),
    ),
    rule(
      'Source quench',
      'a gateway or host may send it when it discards for lack of room; a host slows down',
      asLinux(
        'Deprecated by RFC 6633: never sent, ignored when received.',
        by(INTERNET, 'RFC 1122 3.2.2.3: source quench is heard and changes nothing (RFC 6633)'),
      ),
    ),
    rule(
      'Redirect',
      'a gateway whose next hop is on the sender’s own network says so and forwards all the same',
      by(
        IP_FORWARD_RFC,
        'RFC 1812 5.2.7.2: out by the way it came, the sender on that link: told of the gateway, the packet sent on',
      ),
    ),
    rule(
      'Redirect',
      'not for what has a source route',
      by(
        C1812,
        'RFC 1812 5.3.13.4: a loose source route through a router: its address in place of the next hop, no redirect',
      ),
    ),
    rule(
      'Redirect',
      'received: the gateway address is used for that destination from now on',
      by(
        ROUTE,
        'RFC 1122 3.2.2.2: from the gateway in use to a neighbour that is known: obeyed, for that destination alone',
      ),
    ),
    rule(
      'Echo',
      'an echo request is answered with the same identifier, sequence number and data, addresses swapped',
      and(
        by(
          C792,
          'RFC 792: echo: identifier, sequence and data come back, of an odd length too; the checksum covers all',
        ),
        by(CAPTURES, 'a question for us, five echoes, and two of 4000 bytes in fragments, each answered as Linux did'),
      ),
    ),
    rule(
      'Echo',
      'code 0',
      asLinux(
        'Whatever code came is returned.',
        by(C792, 'RFC 792: a code that means nothing in an echo comes back as it is'),
      ),
    ),
    rule(
      'Echo',
      'an answer is matched to its question by identifier and sequence number',
      by(PING, 'an echo request goes out with the socket’s identifier, its answer comes back with header and data'),
    ),
    rule(
      'Timestamp',
      'the answer has originate as it came, receive and transmit in milliseconds since midnight UT',
      by(
        C792,
        'RFC 792: timestamp: originate comes back, receive and transmit are milliseconds since midnight, code 0',
      ),
    ),
    rule('Timestamp', 'a time that is not of that kind has its high bit set', none('The times here always are.')),
    rule(
      'Information',
      'a request with network 0 is answered with the network number',
      asLinux(
        'Obsolete (RFC 6918): taken and ignored.',
        by(C792, 'RFC 792: information and address mask requests are taken and not answered'),
      ),
    ),
  ],
};
