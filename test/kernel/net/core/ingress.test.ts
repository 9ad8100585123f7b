import { describe, expect, it } from 'vitest';
import { netdev_rx_handler_register, netdev_rx_handler_unregister } from '../../../../kernel/net/core/dev.ts';
import {
  tc_filter_add,
  tc_filter_del,
  tc_qdisc_add_ingress,
  tc_qdisc_del_ingress,
  tcf_proto,
} from '../../../../kernel/net/core/ingress.ts';
import {
  RX_HANDLER_ANOTHER,
  RX_HANDLER_CONSUMED,
  RX_HANDLER_EXACT,
  RX_HANDLER_PASS,
} from '../../../../kernel/net/core/netdevice.ts';
import { consume_skb, skb_get } from '../../../../kernel/net/core/skbuff.ts';
import { arpFrame, hex, icmp, ipFrame, Segment } from '../segment.ts';

const ping = ipFrame(icmp(8, 0, 7));

describe('tc filter … ingress', () => {
  it('drop, the packet ends with TC_INGRESS and is counted; others pass', () => {
    const segment = new Segment();
    const filter = new tcf_proto(1, 0x800, skb => skb.ram.u8[skb.data + 9] === 1, [{ kind: 'drop' }]);
    segment.exec(() => {
      expect(tc_filter_add(segment.dev, filter)).toBe(-22);
      expect(tc_qdisc_add_ingress(segment.dev)).toBe(0);
      expect(tc_qdisc_add_ingress(segment.dev)).toBe(-17);
      expect(tc_filter_add(segment.dev, filter)).toBe(0);
      expect(tc_filter_add(segment.dev, filter)).toBe(-17);
    });
    segment.receive(ping);
    segment.receive(arpFrame());
    expect(segment.drops).toEqual(['TC_INGRESS']);
    expect(segment.take().length).toBe(1);
    expect([filter.packets, filter.bytes]).toEqual([1, ping.length]);
    expect(segment.dev.ingress).toMatchObject({ packets: 2, drops: 1 });
    segment.exec(() => {
      expect(tc_filter_del(segment.dev, 1)).toBe(0);
      expect(tc_filter_del(segment.dev, 1)).toBe(-2);
      expect(tc_qdisc_del_ingress(segment.dev)).toBe(0);
      expect(tc_qdisc_del_ingress(segment.dev)).toBe(-2);
    });
    segment.receive(ping);
    expect(segment.drops.length).toBe(1);
    segment.finish();
  });

  it('the smallest priority first; ok ends the search', () => {
    const segment = new Segment();
    segment.exec(() => {
      tc_qdisc_add_ingress(segment.dev);
      tc_filter_add(segment.dev, new tcf_proto(20, 0, null, [{ kind: 'drop' }]));
      tc_filter_add(segment.dev, new tcf_proto(10, 0x806, null, [{ kind: 'pipe' }, { kind: 'ok' }]));
    });
    segment.receive(arpFrame());
    segment.receive(ping);
    expect([segment.take().length, segment.drops]).toEqual([1, ['TC_INGRESS']]);
    segment.finish();
  });

  it('redirect out by another device, as it came; mirror, a copy', () => {
    const segment = new Segment();
    const other = segment.device('other', '020000000077');
    const mirred = { kind: 'mirred', dev: other, ingress: false } as const;
    segment.exec(() => {
      tc_qdisc_add_ingress(segment.dev);
      tc_filter_add(segment.dev, new tcf_proto(1, 0x800, null, [{ ...mirred, redirect: true }]));
      tc_filter_add(segment.dev, new tcf_proto(2, 0x806, null, [{ ...mirred, redirect: false }]));
    });
    segment.receive(ping);
    expect(segment.take()).toEqual([hex(ping)]);
    segment.receive(arpFrame());
    // The copy, and the answer.
    expect(segment.take()).toEqual([hex(arpFrame()), expect.stringContaining('0806')]);
    segment.finish();
  });

  it('two devices that redirect to each other, ended with a reason', () => {
    const segment = new Segment();
    const other = segment.device('other', '020000000077');
    segment.exec(() => {
      for (const [from, to] of [
        [segment.dev, other],
        [other, segment.dev],
      ] as const) {
        tc_qdisc_add_ingress(from);
        tc_filter_add(from, new tcf_proto(1, 0, null, [{ kind: 'mirred', dev: to, redirect: true, ingress: true }]));
      }
    });
    segment.receive(ping);
    expect(segment.drops).toEqual(['TC_INGRESS']);
    segment.finish();
  });
});

describe('rx_handler', () => {
  it('consumed, passed, exact or another device', () => {
    const segment = new Segment();
    const upper = segment.device('upper', '020000000002');
    let result = RX_HANDLER_PASS;
    segment.exec(() => {
      const handler = netdev_rx_handler_register(
        segment.dev,
        skb => {
          if (result === RX_HANDLER_CONSUMED) consume_skb(skb);
          if (result === RX_HANDLER_ANOTHER) skb.dev = upper;
          return result;
        },
        null,
      );
      expect(handler).toBe(0);
      expect(netdev_rx_handler_register(segment.dev, () => RX_HANDLER_PASS, null)).toBe(-16);
    });
    segment.receive(ping);
    expect(segment.net.ipv4.mib.IpInDelivers).toBe(1);
    result = RX_HANDLER_CONSUMED;
    segment.receive(ping);
    expect([segment.net.ipv4.mib.IpInReceives, segment.drops]).toEqual([1, []]);
    result = RX_HANDLER_EXACT;
    segment.receive(ping);
    expect([segment.drops, segment.dev.stats.rx_nohandler]).toEqual([['UNHANDLED_PROTO'], 1]);
    const exact: string[] = [];
    const only = {
      type: 0x800,
      dev: segment.dev,
      af_packet_priv: null,
      func(skb: Parameters<typeof consume_skb>[0]) {
        exact.push(hex(skb.ram.u8.slice(skb.mac_header, skb.tail)));
        consume_skb(skb);
        return 0;
      },
    };
    segment.net.dev_add_pack(only);
    segment.receive(ping);
    expect(exact).toEqual([hex(ping)]);
    segment.net.dev_remove_pack(only);
    result = RX_HANDLER_ANOTHER;
    const seen: string[] = [];
    segment.kernel.trace.ip_rcv = skb => seen.push(skb.dev?.name ?? '');
    segment.receive(ping);
    expect(seen).toEqual(['upper']);
    segment.exec(() => netdev_rx_handler_unregister(segment.dev));
    segment.finish();
  });

  it('a protocol nobody registered for, dropped and counted', () => {
    const segment = new Segment();
    segment.receive(Uint8Array.from([...ping.subarray(0, 12), 0x88, 0xb5, 1, 2]));
    expect([segment.drops, segment.dev.stats.rx_dropped]).toEqual([['UNHANDLED_PROTO'], 1]);
    segment.finish();
  });

  it('two takers of one type, both have it', () => {
    const segment = new Segment();
    let seen = 0;
    const second = {
      type: 0x800,
      dev: null,
      af_packet_priv: null,
      func(skb: Parameters<typeof consume_skb>[0]) {
        seen++;
        consume_skb(skb_get(skb));
        consume_skb(skb);
        return 0;
      },
    };
    segment.net.dev_add_pack(second);
    segment.receive(ping);
    expect([seen, segment.net.ipv4.mib.IpInDelivers]).toEqual([1, 1]);
    segment.net.dev_remove_pack(second);
    segment.finish();
  });
});
