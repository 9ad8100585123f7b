/** RFC 9768: accurate ECN. What is done is listed by its sections. */
import { and, asLinux, by, noted, type Rfc, rule } from './rules.ts';

const ECN = 'test/kernel/net/ipv4/tcp_ecn.test.ts';
const DIFF = by('test/interop/tcp_diff.test.ts', 'accurate ECN: Linux and our host do the same, at the same times');

const SYN =
  'RFC 9768 3.1.1: tcp_ecn 3: the SYN asks with all three flags; what the answer says, and how it came, is fed back';
const LISTENER =
  'RFC 9768 3.1.2: a listener with tcp_ecn 3 to 5: whatever the SYN says but nothing and RFC 3168’s is accurate ECN';
const REFLECTED = 'RFC 9768 3.1.2: the SYN/ACK says how the SYN came: not ECT, ECT(1), ECT(0), CE';
const SYN_LOST = 'RFC 9768 3.1.4.1: the SYN is lost: once more as it was, then without ECN; the answer to that decides';
const SYNACK_LOST =
  'RFC 9768 3.2.3.2.2: the SYN/ACK is lost: without its option, then without flags, and no ECT from then on';
const BLEACHED =
  'RFC 9768 3.2.2.1: the third segment without flags: they are bleached: no ECT, and its counts are not believed';
const COOKIES = 'SYN cookies: the last segment says which ECN was agreed on';
const COUNT = 'RFC 9768 3.2.2.2: every segment tells how many came marked, modulo 8, from 5; the option how many bytes';
const EDGE = 'RFC 9768 3.2.2.5.1: another codepoint than before is told at once';
const SLOWER = 'RFC 9768 3.2.2.5: marks that are told of slow the sender down once a window, and count in tcp_info';
const LARGE =
  'RFC 9768 3.2.2.5.2: an ACK that covers more than the count can tell: the option decides, else the worst is assumed';
const DROPPED = 'RFC 9768 3.2.3.2.2: what is acknowledged with an option is sent a third time: no option from then on';
const MODES = 'tcp_ecn_option 0 none, 1 when there is news, 2 always, until it seems to be what does not get through';

export const RFC9768: Rfc = {
  number: 9768,
  title: 'More accurate explicit congestion notification feedback in TCP',
  intro:
    'Off, as in Linux, unless net.ipv4.tcp_ecn is 3 (asked for and agreed to), 4 or 5 (agreed to). Linux 6.18 has the code but refuses these values; 7.0 takes them, and is followed where the two differ. A client of Linux 6.18 with tcp_ecn 1 takes an answer of accurate ECN’s all the same, so that what an established connection does is compared with it segment by segment; like Linux it sets ECT on ACKs and retransmissions, too, which RFC 3168 does not allow.',
  rules: [
    rule('3.1.1', 'a client asks with AE, CWR and ECE; the answer decides the mode', and(by(ECN, SYN), DIFF)),
    rule('3.1.2', 'a server takes any other combination than none and RFC 3168’s for that', by(ECN, LISTENER)),
    rule(
      '3.1.2',
      'the SYN/ACK, and the ACK that answers it, feed back the IP header’s codepoint',
      by(ECN, REFLECTED, SYN),
    ),
    rule('3.1.4.1', 'a SYN that is lost falls back after it was tried again', by(ECN, SYN_LOST)),
    rule('3.1.5', 'who has received or sent a SYN or SYN/ACK without flags sends no ECT', by(ECN, SYNACK_LOST)),
    rule(
      '3.2.1',
      'the count begins at 5, those of ECT(0) and ECT(1) bytes at 1, that of CE bytes at 0',
      by(ECN, COUNT),
    ),
    rule(
      '3.2.2.1',
      'flags that were cleared on their way: no ECT, no reaction, but feedback goes on',
      by(ECN, BLEACHED),
    ),
    rule('3.2.2.2', 'marked segments are counted, those without data too', and(by(ECN, COUNT), DIFF)),
    rule('3.2.2.5', 'the sender reacts to the increase of the count', and(by(ECN, SLOWER), DIFF)),
    rule('3.2.2.5.1', 'a change of the codepoint is told at once', and(by(ECN, EDGE), DIFF)),
    rule(
      '3.2.2.5.2',
      'an ACK behind which the count may have gone round is taken for the worst case',
      asLinux('Not where a mean of more than four packets for an ACK tells that ACKs are thinned out.', by(ECN, LARGE)),
    ),
    rule('3.2.3', 'the option in either order is read; that in order 1 is sent, with the fields that have news', DIFF),
    rule('3.2.3.2.2', 'an option that seems to be what does not get through is not sent any more', by(ECN, DROPPED)),
    rule('3.2.3.2.4', 'an option whose first counts are zero is not believed', DIFF),
    rule('3.2.3.3', 'when the option is sent is the system’s to say', and(by(ECN, MODES), DIFF)),
    rule(
      '3.3',
      'offloads: a card that cuts segments must keep the flags of each',
      noted(
        'No card is asked to: software cuts them (NETIF_F_GSO_ACCECN).',
        by(ECN, 'packets of several segments: CWR is part of a count, and stays in every segment'),
      ),
    ),
    rule('5.1', 'SYN cookies: the third segment tells which mode it is', by(ECN, COOKIES)),
  ],
};
