/** `ethtool -K DEV FEATURE on|off ...` for a host of ours: switches the offloads of a device (ethtool 6's names and messages). */
import { errno_name } from '../../kernel/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { ethtool_set_features, netdev_features_strings } from '../../kernel/net/core/features.ts';
import type { CommandResult } from './ip-words.ts';

/** The older names, long and short, of one or several features. */
const LEGACY: readonly (readonly [long: string, short: string, ...names: string[]])[] = [
  ['rx-checksumming', 'rx', 'rx-checksum'],
  ['tx-checksumming', 'tx', 'tx-checksum-ip-generic'],
  ['scatter-gather', 'sg', 'tx-scatter-gather', 'tx-scatter-gather-fraglist'],
  ['tcp-segmentation-offload', 'tso', 'tx-tcp-segmentation'],
  ['generic-segmentation-offload', 'gso', 'tx-generic-segmentation'],
  ['generic-receive-offload', 'gro', 'rx-gro'],
  ['rx-vlan-offload', 'rxvlan', 'rx-vlan-hw-parse'],
  ['tx-vlan-offload', 'txvlan', 'tx-vlan-hw-insert'],
  ['receive-hashing', 'rxhash', 'rx-hashing'],
];
const BITS = new Map(netdev_features_strings);
const BAD = 'ethtool: bad command line argument(s)\nFor more information run ethtool -h\n';

const failed = (stderr: string): CommandResult => ({ status: 1, stdout: '', stderr });

function bitsOf(name: string): number {
  const legacy = LEGACY.find(([long, short]) => name === long || name === short);
  const names = legacy === undefined ? [name] : legacy.slice(2);
  return names.reduce((bits, feature) => bits | (BITS.get(feature) ?? 0), 0);
}

export function ethtool(kernel: Kernel, words: readonly string[]): CommandResult {
  const [flag, name, ...pairs] = words;
  if (!['-K', '--features', '--offload'].includes(flag ?? '') || name === undefined || pairs.length === 0) {
    return failed(BAD);
  }
  const dev = kernel.init_net.dev_get_by_name(name);
  if (dev === null) return failed(`Cannot get device feature names: No such device\n`);
  let valid = 0;
  let wanted = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const bits = bitsOf(pairs[i] as string);
    const value = pairs[i + 1];
    if (bits === 0 || (value !== 'on' && value !== 'off')) return failed(BAD);
    // What the device has not got cannot be switched; of several, those it has are.
    const own = bits & dev.hw_features;
    if (own === 0) return failed(`Could not change any device features\n`);
    valid |= own;
    wanted = value === 'on' ? wanted | own : wanted & ~own;
  }
  const before = dev.features;
  const result = kernel.exec(() => ethtool_set_features(dev, valid, wanted));
  if (result < 0) return failed(`Cannot set device feature settings: ${errno_name(result)}\n`);
  const changed = before ^ dev.features;
  if ((changed & ~valid) === 0 && ((dev.features ^ wanted) & valid) === 0) return { status: 0, stdout: '', stderr: '' };
  const lines = netdev_features_strings
    .filter(([, bit]) => (changed & bit) !== 0)
    .map(([feature, bit]) => {
      const state = (dev.features & bit) === 0 ? 'off' : 'on';
      return `${feature}: ${state}${(valid & bit) === 0 ? ' [not requested]' : ''}\n`;
    });
  return { status: 0, stdout: `Actual changes:\n${lines.join('')}`, stderr: '' };
}
