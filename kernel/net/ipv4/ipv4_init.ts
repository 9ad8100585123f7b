import type { net } from '../core/net_namespace.ts';

/** Everything of IPv4 below the transports: tables, notifiers, ICMP, the receive functions. Sets net.ipv4. */
export function ipv4_init(_net: net): void {}
