/** RFC 7413: what it asks of servers and clients. Its MUSTs are few; what is done is listed by its sections. */
import { and, asLinux, by, noted, type Rfc, rule } from './rules.ts';

const FASTOPEN = 'test/kernel/net/ipv4/tcp_fastopen.test.ts';
const METRICS = 'test/kernel/net/ipv4/tcp_metrics.test.ts';

const ASKED =
  'RFC 7413 4.1.2: a request for a cookie: it comes with the SYN/ACK, made as Linux makes it; the data is not taken';
const GOOD = 'RFC 7413 3: a good cookie: the data is acknowledged, read and answered before the third segment';
const WRONG = 'RFC 7413 4.1.2: a wrong cookie: an ordinary handshake, with the right one';
const LENGTHS =
  'options of every length: only an even number of 4 to 16 bytes is a cookie; none reaches beyond the header';
const OLD_KEY = 'the cookie of the key before: taken, and the new one comes with the SYN/ACK';
const FULL =
  'RFC 7413 5.1: more wait than there is room for: ordinary handshakes; those that were reset count for a minute';
const WARM =
  'RFC 7413 4.1.3: no cookie: the SYN asks for one; the next SYN brings it, with data of the MSS that was told';
const ONLY_SYN = 'RFC 7413 4.2.1: only the SYN is acknowledged: the data again, at once; tcp_info says why';
const LOST = 'RFC 7413 4.2.1: the SYN is lost: again without option and data; the data follows the handshake';

export const RFC7413: Rfc = {
  number: 7413,
  title: 'TCP Fast Open',
  intro: 'Off for servers by default, as in Linux (net.ipv4.tcp_fastopen is 1).',
  rules: [
    rule(
      '3',
      'data of a SYN with a good cookie is given to the program before the handshake is done',
      by(FASTOPEN, GOOD),
    ),
    rule(
      '4.1.1',
      'option 34: a cookie of 4 to 16 bytes, an even number; without one it asks for one',
      by(FASTOPEN, LENGTHS),
    ),
    rule(
      '4.1.2',
      'the cookie is bound to the client’s address and hard to forge; making and checking it is fast',
      noted('SipHash of both addresses, as Linux.', by(FASTOPEN, ASKED)),
    ),
    rule('4.1.2', 'a key expires: cookies of the one before are taken for a while', by(FASTOPEN, OLD_KEY)),
    rule(
      '4.1.2',
      'a wrong cookie: the SYN alone is acknowledged, and a good cookie may come with it',
      by(FASTOPEN, WRONG),
    ),
    rule(
      '4.1.3',
      'the client keeps cookie and MSS of each server, and forgets some when they become too many',
      and(
        by(FASTOPEN, WARM),
        by(METRICS, 'more servers than there is room for: those of long ago are forgotten, with all that was known'),
      ),
    ),
    rule(
      '4.1.3.1',
      'a client remembers for a while that a server has no Fast Open, and that SYNs with data get lost',
      asLinux(
        'It asks each time anew, the second time by the experimental option; after three timeouts no SYN carries data for a while (net.ipv4.tcp_fastopen_blackhole_timeout_sec, off by default).',
        by(
          FASTOPEN,
          'a server without the option: the experimental one is tried once, then none but the standard one',
          'three timeouts in a row: no data in SYNs for a while, twice as long the next time; data that comes ends it',
        ),
      ),
    ),
    rule('4.2.1', 'what of the data was not acknowledged goes again after the handshake', by(FASTOPEN, ONLY_SYN)),
    rule('4.2.1', 'a SYN that is repeated has neither option nor data', by(FASTOPEN, LOST)),
    rule(
      '4.2.2',
      'a server may send data before the handshake is done, and repeats the SYN/ACK as ever',
      by(
        FASTOPEN,
        GOOD,
        'no answer: the SYN/ACK again after 1, 3, 7 s …, once more than of a request; data does not go again; then ETIMEDOUT',
      ),
    ),
    rule(
      '5.1',
      'so many connections may wait for the third segment; above that, ordinary handshakes',
      by(FASTOPEN, FULL),
    ),
    rule(
      '5.1',
      'connections that a RST ended count for a time, against SYNs with addresses of others',
      by(FASTOPEN, FULL),
    ),
  ],
};
