/** RFC 2385: signed segments. It has few MUSTs; what is done is listed by its sections. */
import { asLinux, by, none, noted, type Rfc, rule } from './rules.ts';

const MD5 = 'test/kernel/net/ipv4/tcp_md5.test.ts';

const DIGEST = 'RFC 2385 2.0: the digest: pseudo-header, header without options, data, key';
const DROPPED = 'a SYN by which no key, another one or none at all goes: dropped, each with its reason';
const PREFIXES = 'a key for a prefix, and one for the peer in it: the longer prefix counts';
const NOBODY = 'nobody there: unsigned is reset; signed only by who can have the key of a listener on the same port';
const CONNECT = 'connect: the SYN is signed and has no timestamps; it does not take an unsigned answer';

export const RFC2385: Rfc = {
  number: 2385,
  title: 'Protection of BGP sessions: the TCP MD5 signature option',
  intro:
    'For sockets whose program gives keys (TCP_MD5SIG, TCP_MD5SIG_EXT). Every segment is compared with Linux’s in test/interop/tcp-recovery.test.ts.',
  rules: [
    rule(
      '2.0',
      'the digest is over pseudo-header, header without options and checksum, data, and key',
      by(MD5, DIGEST),
    ),
    rule('2.0', 'a segment whose digest is wrong, or that has none, is dropped in silence', by(MD5, DROPPED)),
    rule('2.0', 'whether segments are signed is the program’s to say, for each peer', by(MD5, PREFIXES)),
    rule(
      '2.0',
      'the other side does not have to offer it: a SYN/ACK that is not signed does not count',
      by(MD5, CONNECT),
    ),
    rule(
      '4.1',
      'a reset for a connection that is not there cannot be signed, and is ignored',
      noted('Signed all the same where a listener on the port has the key.', by(MD5, NOBODY)),
    ),
    rule(
      '4.3',
      'the option leaves no room for others: what is agreed on must fit',
      asLinux('A SYN that is signed has no timestamps; a SYN/ACK has them only without SACK.', by(MD5, CONNECT)),
    ),
    rule('4.5', 'keys of 80 bytes of ASCII', by(MD5, 'every field at its edges: errno as Linux')),
    rule('4.5', 'keys are changed by both sides at the same time', none('That is for the programs.')),
  ],
};
