/** poll and epoll. */
import { EINVAL } from '../../../kernel/errno.ts';
import { epoll_event } from '../../../kernel/fs/eventpoll.ts';
import { pollfd } from '../../../kernel/fs/select.ts';
import { int32, integer, listOf, milliseconds } from '../check.ts';
import type { Body } from '../operation.ts';
import type { EpollEvent, PollEntry } from '../types.ts';

/** More than a process can have open is never ready at once. */
const READY_MAX = 65536;

export function poll(entries: readonly PollEntry[], timeout: number): Body<readonly number[]> {
  const fds = listOf('entries', entries).map(({ fd, events }) => new pollfd(int32('fd', fd), int32('events', events)));
  milliseconds('timeout', timeout);
  return function* (sys) {
    return [yield* sys.poll(fds, fds.length, timeout), fds.map(({ revents }) => revents)];
  };
}

export function epoll_create(size: number): Body {
  int32('size', size);
  return function* (sys) {
    return [size <= 0 ? -EINVAL : yield* sys.epoll_create1(0)];
  };
}

export function epoll_create1(flags: number): Body {
  int32('flags', flags);
  return function* (sys) {
    return [yield* sys.epoll_create1(flags)];
  };
}

export function epoll_ctl(epfd: number, operation: number, fd: number, event: EpollEvent | null): Body {
  int32('epfd', epfd);
  int32('operation', operation);
  int32('fd', fd);
  const given = event === null ? null : new epoll_event(int32('events', event.events), integer('data', event.data));
  return function* (sys) {
    return [yield* sys.epoll_ctl(epfd, operation, fd, given)];
  };
}

export function epoll_wait(epfd: number, maxevents: number, timeout: number): Body<readonly EpollEvent[]> {
  int32('epfd', epfd);
  milliseconds('timeout', timeout);
  const room = Math.max(0, Math.min(int32('maxevents', maxevents), READY_MAX));
  const events = Array.from({ length: room }, () => new epoll_event());
  return function* (sys) {
    const n = yield* sys.epoll_wait(epfd, events, maxevents, timeout);
    return [n, events.slice(0, Math.max(n, 0)).map(({ events: ready, data }) => ({ events: ready >>> 0, data }))];
  };
}
