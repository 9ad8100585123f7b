import { describe, expect, test } from 'vitest';
import { DrillHost } from '../../../harness/drill/api.ts';

const QUIET = { status: 0, stdout: '', stderr: '' };

describe('ethtool -K', () => {
  test("one feature or several, by their older names and by the kernel's", () => {
    const host = new DrillHost();
    expect(host.command('ethtool -K eth0 tso off gso off')).toEqual(QUIET);
    expect(host.command('ethtool -K eth0 tx-tcp-segmentation on generic-segmentation-offload on')).toEqual(QUIET);
    expect(host.command('ethtool --offload eth0 gro off')).toEqual(QUIET);
    host.end();
  });

  test('what goes with another feature is told', () => {
    const host = new DrillHost();
    const { status, stdout } = host.command('ethtool -K eth0 tx off');
    expect(status).toBe(0);
    expect(stdout).toBe('Actual changes:\ntx-checksum-ip-generic: off\ntx-tcp-segmentation: off [not requested]\n');
    host.end();
  });

  test('no such device, no such feature, no value: what is wrong', () => {
    const host = new DrillHost();
    expect(host.command('ethtool -K eth7 tso off').stderr).toBe('Cannot get device feature names: No such device\n');
    for (const line of ['ethtool -K eth0 warp off', 'ethtool -K eth0 tso', 'ethtool -K eth0', 'ethtool -i eth0']) {
      expect(host.command(line).stderr).toContain('bad command line argument(s)');
    }
    expect(host.command('ethtool -K lo rxvlan off')).toMatchObject({
      status: 1,
      stderr: 'Could not change any device features\n',
    });
    host.end();
  });
});
