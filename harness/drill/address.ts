/** Addresses as a drill's caller writes them, and as the kernel has them. */
import { in_aton, inet_ntoa } from '../../kernel/lib/inet.ts';
import { AF_INET, type sockaddr, sockaddr_in } from '../../kernel/net/msg.ts';
import { checkAddress, shown, textOf } from './check.ts';
import type { SocketAddress } from './types.ts';

/** An IPv4 address in dotted form. @throws TypeError */
export function quad(what: string, address: string): number {
  const value = in_aton(textOf(what, address));
  if (Number.isNaN(value)) throw new TypeError(`${what}: ${shown(address)} is not an IPv4 address`);
  return value;
}

/** @throws TypeError, RangeError */
export function sockaddrOf(given: SocketAddress): sockaddr {
  const { address, port, family = AF_INET } = checkAddress(given);
  if (port < 0 || port > 0xffff) throw new RangeError(`port ${port}: 0 to 65535 expected`);
  const name = new sockaddr_in(quad('address', address), port);
  name.sa_family = family;
  return name;
}

export function addressOf(name: sockaddr_in): SocketAddress {
  return { address: inet_ntoa(name.sin_addr), port: name.sin_port };
}

/** For the call to fill in; `peerOf` says whether it did. */
export function noPeer(): sockaddr_in {
  const name = new sockaddr_in();
  name.sin_port = -1;
  return name;
}

export function peerOf(name: sockaddr_in): SocketAddress | undefined {
  return name.sin_port < 0 ? undefined : addressOf(name);
}
