import { describe, expect, it } from 'vitest';
import {
  alloc_netdev,
  napi_complete_done,
  napi_disable,
  napi_enable,
  napi_schedule,
  netif_napi_add,
  netif_napi_del,
} from '../../../../kernel/net/core/dev.ts';
import { NETDEV_TX_OK, type napi_struct, type net_device } from '../../../../kernel/net/core/netdevice.ts';
import { ether_setup } from '../../../../kernel/net/ethernet/eth.ts';
import { type Bench, bench } from '../../host.ts';

function device(b: Bench): net_device {
  return alloc_netdev(
    b.kernel,
    'test%d',
    { ndo_open: () => 0, ndo_stop: () => 0, ndo_start_xmit: () => NETDEV_TX_OK },
    ether_setup,
  );
}

/** A NAPI context with `pending.left` packets to receive, `cost` ns each. */
function source(b: Bench, pending: { left: number }, cost: number, budgets: number[] = []): napi_struct {
  const napi = netif_napi_add(device(b), (self, budget) => {
    budgets.push(budget);
    let work = 0;
    while (work < budget && pending.left > 0) {
      pending.left--;
      work++;
      b.work('packet', cost);
    }
    if (work < budget && napi_complete_done(self, work)) b.log.push(`complete@${b.kernel.clock.now}`);
    return work;
  });
  napi_enable(napi);
  return napi;
}

describe('net_rx_action', () => {
  it('costs off, a poll gets the whole weight at once', () => {
    const b = bench({ costs: false });
    const budgets: number[] = [];
    const napi = source(b, { left: 100 }, 0, budgets);
    b.interrupt(1, 10, () => napi_schedule(napi));
    b.world.sim.settle(1e9);
    expect(budgets).toEqual([64, 64]);
    expect([napi.polls, napi.packets]).toEqual([2, 100]);
  });

  it('costs on, an interrupt comes between two packets of one poll', () => {
    const b = bench();
    const napi = source(b, { left: 3 }, 1000);
    b.interrupt(1, 0, () => napi_schedule(napi));
    b.interrupt(2, 1500, () => b.work('irq', 100));
    b.world.sim.settle(1e9);
    expect(b.log).toEqual(['packet@0', 'packet@1000', 'irq@1500', 'packet@2100', 'complete@3100']);
    expect([napi.polls, napi.packets]).toEqual([1, 3]);
  });

  it('two busy contexts, take turns weight by weight', () => {
    const b = bench();
    const order: string[] = [];
    for (const name of ['a', 'b']) {
      const pending = { left: 100 };
      const napi = netif_napi_add(device(b), (self, budget) => {
        const work = Math.min(budget, pending.left);
        pending.left -= work;
        for (let i = 0; i < work; i++) order.push(name);
        b.kernel.clock.now += 10 * work;
        if (work < budget) napi_complete_done(self, work);
        return work;
      });
      napi_enable(napi);
      b.interrupt(name === 'a' ? 1 : 2, 0, () => napi_schedule(napi));
    }
    b.world.sim.settle(1e9);
    expect(
      order
        .join('')
        .match(/a+|b+/g)
        ?.map(run => run.length),
    ).toEqual([64, 64, 36, 36]);
  });

  it('one busy context, a new round for each weight and never squeezed', () => {
    const b = bench({ costs: false });
    const pending = { left: 1000 };
    const napi = source(b, pending, 0);
    b.interrupt(1, 0, () => napi_schedule(napi));
    b.world.sim.settle(1e9);
    expect(pending.left).toBe(0);
    expect(b.kernel.softnet[0]?.time_squeeze).toBe(0);
  });

  it('six busy contexts, squeezed once netdev_budget is used up, and all of it delivered', () => {
    const b = bench({ costs: false });
    const pendings = Array.from({ length: 6 }, () => ({ left: 64 }));
    const napis = pendings.map(pending => source(b, pending, 0));
    b.interrupt(1, 0, () => {
      for (const napi of napis) napi_schedule(napi);
    });
    b.world.sim.settle(1e9);
    expect(pendings.every(({ left }) => left === 0)).toBe(true);
    // 5 × 64 packets exceed 300: the sixth has to wait for the next round.
    expect(b.kernel.softnet[0]?.time_squeeze).toBe(1);
  });

  it('polls longer than netdev_budget_usecs, squeezed and counted', () => {
    const b = bench();
    const pending = { left: 200 };
    const napi = source(b, pending, 40_000);
    b.interrupt(1, 0, () => napi_schedule(napi));
    b.world.sim.settle(1e9);
    expect(pending.left).toBe(0);
    expect(b.kernel.softnet[0]?.time_squeeze).toBeGreaterThan(1);
  });

  it('scheduled while it polls, the miss makes complete say no and the poll runs again', () => {
    const b = bench({ costs: false });
    const pending = { left: 1 };
    let polls = 0;
    const napi = netif_napi_add(device(b), (self, budget) => {
      polls++;
      const work = Math.min(budget, pending.left);
      pending.left -= work;
      if (polls === 1) {
        pending.left = 1;
        expect(napi_schedule(self)).toBe(false);
        expect(napi_complete_done(self, work)).toBe(false);
      } else {
        expect(napi_complete_done(self, work)).toBe(true);
      }
      return work;
    });
    napi_enable(napi);
    b.interrupt(1, 0, () => napi_schedule(napi));
    b.world.sim.settle(1e9);
    expect([polls, pending.left]).toEqual([2, 0]);
  });

  it('a poll that ignores its budget, reported', () => {
    const b = bench();
    const napi = netif_napi_add(device(b), (self, _budget) => {
      napi_complete_done(self, 5);
      return 5;
    });
    napi_enable(napi);
    b.interrupt(1, 0, () => napi_schedule(napi));
    b.world.sim.settle(1e9);
    expect(b.world.findings[0]?.message).toContain('poll did 5 packets with a budget of 1');
  });

  it('disabled between two slices, no further poll, and not schedulable until enabled', () => {
    const b = bench();
    const pending = { left: 10 };
    const napi = source(b, pending, 1000);
    b.interrupt(1, 0, () => napi_schedule(napi));
    b.at(2500, () => napi_disable(napi));
    b.world.sim.settle(1e9);
    expect(pending.left).toBe(7);
    b.at(b.world.sim.time, () => expect(napi_schedule(napi)).toBe(false));
    b.world.sim.settle(1e9 + 1);
    netif_napi_del(napi);
    expect(b.world.findings).toEqual([]);
  });

  it('enabled twice or deleted while enabled, reported', () => {
    const b = bench();
    const napi = source(b, { left: 0 }, 0);
    napi_enable(napi);
    netif_napi_del(napi);
    expect(b.world.findings.map(f => f.detector)).toEqual(['napi', 'napi']);
  });
});
