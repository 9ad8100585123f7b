import { ARP, ARP_PROXY, C826, INTEROP_HOST, NEIGHBOUR } from './files.ts';
import { and, asLinux, by, none, type Rfc, rule } from './rules.ts';

export const RFC826: Rfc = {
  number: 826,
  title: 'An Ethernet Address Resolution Protocol',
  intro: 'Without MUSTs; each step of its algorithms is listed.',
  rules: [
    rule(
      'Packet format',
      'Ethernet type 0806h; hardware space 1, protocol space 0800h, lengths 6 and 4, opcode, then both pairs of addresses',
      by(
        C826,
        'RFC 826: a request: Ethernet, IP, lengths 6 and 4, opcode 1, both own addresses, the one asked for, to all',
      ),
    ),
    rule(
      'Packet Generation',
      'the pair is known: the packet goes out at once',
      by(C826, 'RFC 826: what is sent before the answer waits for it; nobody is asked for an address that is known'),
    ),
    rule(
      'Packet Generation',
      'the pair is not known: a request is sent to all, the packet may be thrown away (here it waits)',
      and(
        by(
          C826,
          'RFC 826: a request: Ethernet, IP, lengths 6 and 4, opcode 1, both own addresses, the one asked for, to all',
        ),
        by(NEIGHBOUR, 'unknown: asked for at once, the packet waits, and leaves with the answer'),
      ),
    ),
    rule(
      'Packet Reception',
      'a hardware space that is not spoken: ignored',
      by(ARP, 'hardware type 2', 'a question for us with hardware type 6 (IEEE 802), padding behind it: answered'),
    ),
    rule('Packet Reception', 'a protocol that is not spoken: ignored', by(ARP, 'protocol IPv6')),
    rule(
      'Packet Reception',
      'lengths may be checked',
      by(ARP, 'hardware address length 5', 'protocol address length 16', 'cut short: dropped'),
    ),
    rule(
      'Packet Reception',
      'merge: the sender’s pair is in the table: its hardware address is updated',
      by(
        C826,
        'RFC 826: merge: a sender that is known is updated by any ARP packet, a question for somebody else included',
      ),
    ),
    rule(
      'Packet Reception',
      'the target is us and nothing was merged: the pair is added',
      by(ARP, 'a question for us: answered, and the asker remembered as STALE'),
    ),
    rule(
      'Packet Reception',
      'the target is somebody else: nothing is added, nothing is answered',
      by(ARP, 'a question for somebody else', 'an announcement by somebody unknown'),
    ),
    rule(
      'Packet Reception',
      'table first, opcode afterwards',
      by(C826, 'RFC 826: merge comes before the opcode is looked at: who asks us is known afterwards'),
    ),
    rule(
      'Packet Reception',
      'an answer that was not asked for, to us, is added as well',
      asLinux(
        'Linux makes no entry from an answer for which nobody waits, unless arp_accept says so.',
        by(ARP, 'an answer we did not ask for', 'arp_accept: an announcement makes an entry'),
      ),
    ),
    rule(
      'Packet Reception',
      'a request for us: addresses swapped, own hardware address filled in, opcode 2, to the asker on the same link',
      by(ARP, 'a question for us: answered, and the asker remembered as STALE'),
    ),
    rule(
      'Packet Reception',
      'an answer is never answered; other opcodes neither',
      and(
        by(
          C826,
          'RFC 826: an answer is never answered, and goes to the one that asked, on the device the question came by',
        ),
        by(ARP, 'opcode 3'),
      ),
    ),
    rule(
      'Why is it done this way',
      'hardware and protocol lengths come from the packet’s own header fields',
      by(ARP, 'hardware address length 5'),
    ),
    rule(
      'Network monitoring',
      'a monitor may collect pairs from all it sees',
      none('Optional; a packet socket sees all frames.'),
    ),
    rule(
      'Related issue',
      'entries may age; one that does not answer when asked directly is removed',
      and(
        by(
          C826,
          'RFC 1122 2.3.2.1: an entry that is wrong is found out: unconfirmed it is asked for, and gone without an answer',
        ),
        by(NEIGHBOUR, 'reachable and idle: STALE; used again: DELAY, then asked for directly, then FAILED'),
      ),
    ),
    rule(
      'Related issue',
      'a host that moved, or has a new card, tells so by any ARP packet it sends',
      and(
        by(INTEROP_HOST, 'our MAC address changes: the gratuitous ARP moves Linux to the new one'),
        by(ARP, 'a second address within the lock time: the first one counts; later, or announced: the new one'),
      ),
    ),
    rule(
      'RFC 1027',
      'proxy ARP answers for others only where it was switched on',
      by(ARP_PROXY, 'proxy_arp: a host on another link is answered for after a random while of up to 0.8 s'),
    ),
  ],
};
