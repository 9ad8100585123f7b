/** A socket's life, its names and what a descriptor is asked: the bodies of those calls, their arguments looked at. */
import { sockaddr_in, sockopt } from '../../../kernel/net/msg.ts';
import { addressOf, sockaddrOf } from '../address.ts';
import { int32 } from '../check.ts';
import type { Body } from '../operation.ts';
import type { SocketAddress } from '../types.ts';

export function socket(family: number, type: number, protocol: number): Body {
  int32('family', family);
  int32('type', type);
  int32('protocol', protocol);
  return function* (sys) {
    return [yield* sys.socket(family, type, protocol)];
  };
}

export function bind(fd: number, address: SocketAddress): Body {
  int32('fd', fd);
  const name = sockaddrOf(address);
  return function* (sys) {
    return [yield* sys.bind(fd, name)];
  };
}

export function listen(fd: number, backlog: number): Body {
  int32('fd', fd);
  const length = int32('backlog', backlog);
  return function* (sys) {
    return [yield* sys.listen(fd, length)];
  };
}

export function accept(fd: number, flags: number): Body<SocketAddress> {
  int32('fd', fd);
  int32('flags', flags);
  return function* (sys) {
    const name = new sockaddr_in();
    return [yield* sys.accept4(fd, name, flags), addressOf(name)];
  };
}

export function connect(fd: number, address: SocketAddress): Body {
  int32('fd', fd);
  const name = sockaddrOf(address);
  return function* (sys) {
    return [yield* sys.connect(fd, name)];
  };
}

export function getsockname(fd: number): Body<SocketAddress> {
  int32('fd', fd);
  return function* (sys) {
    const name = new sockaddr_in();
    return [yield* sys.getsockname(fd, name), addressOf(name)];
  };
}

export function getpeername(fd: number): Body<SocketAddress> {
  int32('fd', fd);
  return function* (sys) {
    const name = new sockaddr_in();
    return [yield* sys.getpeername(fd, name), addressOf(name)];
  };
}

export function shutdown(fd: number, how: number): Body {
  int32('fd', fd);
  int32('how', how);
  return function* (sys) {
    return [yield* sys.shutdown(fd, how)];
  };
}

export function close(fd: number): Body {
  int32('fd', fd);
  return function* (sys) {
    return [yield* sys.close(fd)];
  };
}

export function dup(fd: number): Body {
  int32('fd', fd);
  return function* (sys) {
    return [yield* sys.dup(fd)];
  };
}

export function fcntl(fd: number, command: number, arg: number): Body {
  int32('fd', fd);
  int32('command', command);
  int32('arg', arg);
  return function* (sys) {
    return [yield* sys.fcntl(fd, command, arg)];
  };
}

export function ioctl(fd: number, request: number, value: number): Body<number> {
  int32('fd', fd);
  int32('request', request);
  const arg = new sockopt();
  arg.value = int32('value', value);
  return function* (sys) {
    return [yield* sys.ioctl(fd, request, arg), arg.value];
  };
}
