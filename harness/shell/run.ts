/** A whole command line, as somebody at a host's shell types it. */
import type { Kernel } from '../../kernel/kernel.ts';
import { ethtool } from './ethtool.ts';
import { type CommandResult, ip } from './ip.ts';
import { iptables } from './iptables.ts';
import { sysctl } from './sysctl.ts';
import { tcCommand } from './tc.ts';
import { shellWords } from './words.ts';

/**
 * Runs `ip`, `tc`, `sysctl`, `ethtool` or `iptables` with their own output and messages. Words are a shell's: quotes keep
 * blanks. @throws ShellWordError for quotes without an end, RangeError for any other program
 */
export function runCommand(kernel: Kernel, line: string): CommandResult {
  const [program = '', ...words] = shellWords(line);
  switch (program) {
    case 'ip':
      return ip(kernel, words);
    case 'ethtool':
      return ethtool(kernel, words);
    case 'iptables':
      return iptables(kernel, words);
    case 'sysctl':
      return sysctl(kernel, words);
    case 'tc':
      return kernel.exec(() => tcCommand(kernel.init_net.devices, words));
    default:
      throw new RangeError(`command "${program}": ip, tc, sysctl, ethtool or iptables expected`);
  }
}
