/** What the real Linux answers to frames on a TAP, and what a host of ours answers to the same: frame by frame the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { loadLibc } from '../../harness/wire/tap/libc.ts';
import { LinuxSide } from '../../harness/wire/tap/linux.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { comparable, damagedFrames, GATEWAY, plainFrames } from '../kernel/net/ipv4/answers.ts';
import { arpFrame, B_MAC, hex, Segment } from '../kernel/net/segment.ts';
import { testOnTap } from '../needs.ts';
import { freshName } from './lab.ts';

const DEVICE = 'tap0';
/** No limits on how much is answered, on neither side. */
const SETTINGS = {
  icmp_ratelimit: 0,
  icmp_msgs_per_sec: 1_000_000,
  icmp_msgs_burst: 1_000_000,
  ipfrag_max_dist: 0,
};

/** What Linux sends back, in order. */
async function linuxAnswers(frames: readonly Uint8Array[]): Promise<string[]> {
  const side = LinuxSide.open(await loadLibc(), freshName());
  try {
    const tap = side.addTap(DEVICE, '10.1.0.2/24');
    side.ip(['link', 'set', DEVICE, 'address', B_MAC.replace(/..(?=.)/g, '$&:')], 'no MAC address');
    side.ip(['neigh', 'replace', '10.1.0.1', 'lladdr', '02:00:00:00:00:01', 'dev', DEVICE], 'no neighbour');
    side.ip(['route', 'add', 'default', 'via', '10.1.0.1'], 'no route');
    const sysctl = Object.entries(SETTINGS).map(([name, value]) => `net.ipv4.${name}=${value}`);
    for (const where of ['all', DEVICE]) {
      sysctl.push(`net.ipv4.conf.${where}.rp_filter=0`, `net.ipv4.conf.${where}.accept_source_route=0`);
    }
    const child = side.spawn('sysctl', ['-qw', ...sysctl]);
    expect(await new Promise(resolve => child.once('close', resolve))).toBe(0);
    const heard: string[] = [];
    let failure: unknown = null;
    tap.start({
      frame(bytes, length) {
        const text = hex(bytes.subarray(0, length));
        if (text.slice(24, 28) === '0800' && text.slice(46, 48) !== '02') heard.push(comparable(text));
      },
      batch() {},
      full: () => false,
      gone() {},
      failed(error) {
        failure = error;
      },
    });
    for (const [i, frame] of frames.entries()) {
      expect(tap.write(frame, frame.length)).toBe(true);
      if (i % 8 === 0) await sleep(1);
    }
    await sleep(300);
    await tap.close();
    expect(failure).toBe(null);
    return heard;
  } finally {
    await side.remove();
  }
}

function ourAnswers(frames: readonly Uint8Array[]): string[] {
  const segment = new Segment();
  const { net } = segment;
  segment.receive(arpFrame());
  segment.take();
  const { ipfrag_max_dist, ...icmp } = SETTINGS;
  Object.assign(net.ipv4, icmp);
  net.ipv4.fqdir.max_dist = ipfrag_max_dist;
  segment.exec(() => ip_route_add(net, { dst: 0, prefix_len: 0, gateway: GATEWAY }));
  const answers: string[] = [];
  for (const frame of frames) {
    segment.receive(frame);
    answers.push(
      ...segment
        .take()
        .filter(text => text.slice(24, 28) === '0800')
        .map(comparable),
    );
  }
  segment.finish();
  return answers;
}

testOnTap()(
  'options, fragments, questions of every kind: our answers are those of Linux',
  async () => {
    const frames = plainFrames();
    const theirs = await linuxAnswers(frames);
    expect(theirs.length).toBeGreaterThan(60);
    expect(ourAnswers(frames)).toEqual(theirs);
  },
  30_000,
);

testOnTap()(
  '1,000 damaged frames, fragments among them: our answers are those of Linux',
  async () => {
    const frames = damagedFrames(1000, 5);
    const theirs = await linuxAnswers(frames);
    expect(theirs.length).toBeGreaterThan(100);
    expect(ourAnswers(frames)).toEqual(theirs);
  },
  30_000,
);
