import type { net_device } from '../core/netdevice.ts';

export function inet_addr_add(_dev: net_device, _address: number, _prefix_len: number): number {
  return 0;
}
export function inet_addr_del(_dev: net_device, _address: number, _prefix_len: number): number {
  return 0;
}
