import { C768, SOCKOPTS, UDP, UDP_RCV, UDP_RFC } from './files.ts';
import { and, by, type Rfc, rule } from './rules.ts';

export const RFC768: Rfc = {
  number: 768,
  title: 'User Datagram Protocol',
  intro: 'Without MUSTs; each statement about what is sent or received is listed.',
  rules: [
    rule(
      'Fields',
      'source port: where an answer goes; 0 when it means nothing',
      by(C768, 'RFC 768: what is sent: both ports, the length of header and data, a checksum over the pseudo header'),
    ),
    rule(
      'Fields',
      'destination port: with the address, it names the receiver',
      by(
        UDP,
        'a connected socket sends to and hears from its peer only',
        'an exact address wins over the wildcard, a bound device over none',
      ),
    ),
    rule(
      'Fields',
      'length: header and data, 8 at least',
      and(
        by(
          UDP_RFC,
          'RFC 768: length: beyond the packet and below the header discarded; within it, the rest is padding',
        ),
        by(UDP_RCV, 'a length that cannot be is PKT_TOO_SMALL'),
      ),
    ),
    rule(
      'Fields',
      'checksum: over pseudo header (addresses, protocol, UDP length), header and data, padded with zero to an even length',
      and(
        by(C768, 'RFC 768: what is sent: both ports, the length of header and data, a checksum over the pseudo header'),
        by(
          UDP_RCV,
          'right checksum, no checksum, and padding behind the datagram: delivered',
          'wrong checksum: a short packet is dropped on arrival, a long one when it is read, and the reader goes on',
        ),
      ),
    ),
    rule(
      'Fields',
      'a sum of zero is sent as all ones',
      by(
        UDP_RFC,
        'RFC 1122 4.1.3.4: a checksum is made by default; a sum of zero is sent as all ones; a program may turn it off',
      ),
    ),
    rule(
      'Fields',
      'a received checksum of zero means that none was made',
      by(UDP_RFC, 'RFC 768: a checksum of zero means that none was made: delivered'),
    ),
    rule('User Interface', 'a program can make a port to receive on', by(UDP, 'bind')),
    rule(
      'User Interface',
      'receiving gives the data, the source address and the source port',
      by(UDP, 'a datagram arrives whole, with its sender; every skb and socket is gone at the end'),
    ),
    rule(
      'User Interface',
      'sending takes data, both ports and both addresses',
      and(
        by(UDP, 'sendto'),
        by(
          UDP_RFC,
          'RFC 1122 4.1.3.5: the address a datagram was sent to is told; a program chooses the one it sends from',
        ),
      ),
    ),
    rule(
      'IP Interface',
      'UDP learns source, destination and protocol of what comes, and can give a whole datagram with its header to IP',
      and(
        by(UDP_RCV, 'control messages: the packet’s TTL and where it came in'),
        by(SOCKOPTS, 'a new socket of each kind: every option as Linux has it'),
      ),
    ),
    rule(
      'Protocol Application',
      'protocol number 17',
      by(C768, 'RFC 768: what is sent: both ports, the length of header and data, a checksum over the pseudo header'),
    ),
  ],
};
