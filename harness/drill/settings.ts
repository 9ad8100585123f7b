/** Settings and routes of a drill's host. */
import { errno_name } from '../../kernel/errno.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import type { Host } from '../machine/host.ts';
import { quad } from './address.ts';
import { between, objectOf, shown, textOf } from './check.ts';
import type { Route } from './types.ts';

/** @throws TypeError; Error when there is no such setting, or it does not take the value */
export function writeSysctl(host: Host, name: string, value: string | number): void {
  textOf('sysctl', name);
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new TypeError(`sysctl ${name}: a string or a number expected, not ${shown(value)}`);
  }
  const result = host.exec(() => host.kernel.sysctl.write(name, String(value)));
  if (result < 0) throw new Error(`sysctl ${name}=${value}: ${errno_name(result)}`);
}

/** @throws TypeError; Error when there is no such setting */
export function readSysctl(host: Host, name: string): string {
  const text = host.kernel.sysctl.read(textOf('sysctl', name));
  if (typeof text === 'number') throw new Error(`sysctl ${name}: ${errno_name(text)}`);
  return text;
}

/** @throws TypeError, RangeError; Error when the kernel refuses it */
export function addRoute(host: Host, dev: net_device, route: Route): void {
  textOf('destination', objectOf('route', route).destination);
  const [network = '', length = '32'] =
    route.destination === 'default' ? ['0.0.0.0', '0'] : route.destination.split('/');
  const prefix = Number(length);
  if (!(Number.isInteger(prefix) && prefix >= 0 && prefix <= 32)) throw new TypeError(`destination: prefix ${length}`);
  const config = {
    dst: quad('destination', network),
    prefix_len: prefix,
    dev,
    ...(route.gateway === undefined ? {} : { gateway: quad('gateway', route.gateway) }),
    ...(route.source === undefined ? {} : { prefsrc: quad('source', route.source) }),
    ...(route.metric === undefined ? {} : { metric: between('metric', route.metric, 0, 0x7fffffff) }),
    ...(route.mtu === undefined ? {} : { mtu: between('mtu', route.mtu, 0, 0x7fffffff) }),
  };
  const result = host.exec(() => ip_route_add(host.kernel.init_net, config));
  if (result < 0) throw new Error(`route ${route.destination}: ${errno_name(result)}`);
}
