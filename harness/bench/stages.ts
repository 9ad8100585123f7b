/**
 * Where the receive path's time goes: the same frames, stopped at one stage after the other. Each figure is what the
 * stage adds to those before it, with the cost of throwing the packet away there.
 */
import { tc_filter_add, tc_qdisc_add_ingress, tcf_proto } from '../../kernel/net/core/ingress.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { type Result, seconds, summarize, warmUp } from './runner.ts';
import { UdpPath, udpFrame } from './udp.ts';

const LENGTH = 64;
const MEMORY = 4096;
/** Of the IP header's checksum, in the frame. */
const IP_CHECKSUM = 24;

interface Stage {
  readonly name: string;
  readonly path: () => UdpPath;
  /** How many frames ended at this stage so far. */
  readonly ended: (path: UdpPath) => number;
}

function device(path: UdpPath): net_device {
  return path.host.kernel.init_net.dev_get_by_name('eth0') as net_device;
}

/** A frame with one byte changed. */
function changed(at: number): Uint8Array {
  const frame = udpFrame(LENGTH);
  frame[at] = (frame[at] as number) ^ 0x10;
  return frame;
}

function stoppedByTc(): UdpPath {
  const path = new UdpPath(udpFrame(LENGTH), MEMORY);
  const dev = device(path);
  tc_qdisc_add_ingress(dev);
  tc_filter_add(dev, new tcf_proto(1, 0, null, [{ kind: 'drop' }]));
  return path;
}

const STAGES: readonly Stage[] = [
  {
    // The last byte of the destination: somebody else's.
    name: 'card',
    path: () => new UdpPath(changed(5), MEMORY),
    ended: path => path.filtered(),
  },
  { name: 'driver', path: stoppedByTc, ended: path => device(path).ingress?.drops ?? 0 },
  {
    name: 'ip_rcv',
    path: () => new UdpPath(changed(IP_CHECKSUM), MEMORY),
    ended: path => path.host.kernel.init_net.ipv4.mib.IpExtInCsumErrors,
  },
  {
    name: 'udp_rcv',
    path: () => new UdpPath(udpFrame(LENGTH), MEMORY, false),
    ended: path => path.host.kernel.init_net.ipv4.mib.UdpRcvbufErrors,
  },
  { name: 'recvfrom', path: () => new UdpPath(udpFrame(LENGTH), MEMORY), ended: path => path.received },
];

/** ns per frame that each stage adds, 64-byte frames, `frames` of them a run. */
export function benchStages(runs: number, frames = 100_000): Result[] {
  const paths = STAGES.map(stage => stage.path());
  const times: number[][] = STAGES.map(() => []);
  for (const path of paths) warmUp(runs, () => path.feed(frames));
  const before = STAGES.map((stage, i) => stage.ended(paths[i] as UdpPath));
  for (let run = 0; run < runs; run++) {
    for (const [i, path] of paths.entries()) times[i]?.push((seconds(() => path.feed(frames)) * 1e9) / frames);
  }
  for (const [i, stage] of STAGES.entries()) {
    const path = paths[i] as UdpPath;
    const ended = stage.ended(path) - (before[i] as number);
    if (ended !== runs * frames)
      throw new Error(`bench stages: ${ended} of ${runs * frames} frames ended at ${stage.name}`);
  }
  for (const path of paths) path.world.finish();
  return STAGES.map((stage, i) => {
    const added = (times[i] as number[]).map((ns, run) => ns - (times[i - 1]?.[run] ?? 0));
    return summarize(`stage.${stage.name}`, 'ns/frame', added);
  });
}
