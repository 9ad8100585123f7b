/** Our connection tracking and NAT, and this machine's Linux: the same packets, the same verdicts, states and time-outs. */
import { expect } from 'vitest';
import { testOnTap } from '../needs.ts';
import {
  GATEWAY,
  type Play,
  playLinux,
  playOurs,
  randomNat,
  randomTcp,
  type Seen,
  type Step,
} from './conntrack_diff.ts';

const INVALID = '-A FORWARD -m conntrack --ctstate INVALID -j DROP\n';
const RULES = `*filter\n${INVALID}COMMIT\n`;
/** No limit, as the one has passed more time than the other. */
const SYSCTL = { 'net.ipv4.icmp_ratelimit': 0, 'net.ipv4.icmp_msgs_burst': 10000, 'net.ipv4.icmp_msgs_per_sec': 10000 };
const SCRIPTS = Number(process.env.CT_COUNT ?? 24);
const SEED = Number(process.env.CT_SEED ?? 1);

/** Without what a router of its own packets chooses by chance: their identification. */
function plain([side, packet]: readonly [number, string]): string {
  const own =
    packet.slice(24, 32) === '0a010002' || (packet.slice(24, 32) === 'c0000201' && packet.slice(18, 20) === '01');
  return `${side}:${own ? `${packet.slice(0, 8)}....${packet.slice(12, 20)}....${packet.slice(24)}` : packet}`;
}

/** As text; seconds that have passed in the one and not in the other do not matter. */
function text([out, line]: Seen): string {
  const words = line.replace(/ mark=.*/, '').split(/ +/);
  if (words.length > 4) words[4] = String(Math.ceil((Number(words[4]) + 5) / 10));
  return `${out.map(plain).sort().join(' ')} | ${words.slice(2).join(' ')}`;
}

/** The port that SNAT gave a connection from the inside; NaN: it is none. */
function drawnPort(line: string): number {
  return Number(/src=192\.0\.2\.9 dst=192\.0\.2\.1 sport=80 dport=(\d+)/.exec(line)?.[1] ?? Number.NaN);
}

/** The first difference of each script. */
function differences(play: Play): string[] {
  const linux = playLinux(play);
  const ours = playOurs(play);
  return play.scripts.flatMap((script: readonly Step[], s) => {
    // Where a port was taken, Linux draws another one: from there on the two are not to be compared.
    const ends = linux[s]?.findIndex(([, line], i) => ![Number.NaN, script[i]?.[2]].includes(drawnPort(line))) ?? -1;
    const at = script.findIndex(
      (_, i) => (ends < 0 || i < ends) && text(linux[s]?.[i] as Seen) !== text(ours[s]?.[i] as Seen),
    );
    if (at < 0) return [];
    const [side, packet] = script[at] as Step;
    const before = script.slice(Math.max(0, at - 5), at).map(([from, bytes], i) => {
      const seen = text(linux[s]?.[Math.max(0, at - 5) + i] as Seen);
      return `  ${from}:${bytes} -> ${seen}`;
    });
    const theirs = text(linux[s]?.[at] as Seen);
    const mine = text(ours[s]?.[at] as Seen);
    return [`script ${s} step ${at}\n${before.join('\n')}\n${side}:${packet}\n Linux ${theirs}\n ours  ${mine}`];
  });
}

function same(play: Play): void {
  const found = differences(play);
  expect(`${found.length} differ: ${found.slice(0, 3).join('\n\n')}`).toBe('0 differ: ');
}

testOnTap()('segments of two sides, mostly right: as Linux', { timeout: 120_000 }, () => {
  same({ rules: RULES, scripts: Array.from({ length: SCRIPTS }, (_, i) => randomTcp(SEED + i, 20000 + i, 25)) });
});

testOnTap()('NAT both ways, with IP options, fragments, ICMP errors: as Linux', { timeout: 120_000 }, () => {
  const nat = [
    '*nat',
    `-A PREROUTING -d ${GATEWAY} -p tcp -m tcp -j DNAT --to-destination 10.1.0.1:80`,
    `-A POSTROUTING -s 10.1.0.0/24 -d 192.0.2.9 -j SNAT --to-source ${GATEWAY}`,
    'COMMIT',
    '',
  ].join('\n');
  const scripts = Array.from({ length: SCRIPTS }, (_, i) => randomNat(SEED + i, 20000 + i, 25));
  same({ rules: `${nat}${RULES}`, sysctl: SYSCTL, scripts });
});

testOnTap()('rejected with a reset: as Linux', { timeout: 120_000 }, () => {
  const reject = '-A FORWARD -p tcp -m tcp --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset\n';
  const scripts = Array.from({ length: SCRIPTS }, (_, i) => randomTcp(SEED + i, 20000 + i, 25, 8));
  same({ rules: `*filter\n${INVALID}${reject}COMMIT\n`, sysctl: SYSCTL, scripts });
});
