/**
 * What libuv is to Node, for programs that run on an emulated host: one task with an epoll instance does the system
 * calls, JavaScript gets callbacks. Callbacks run while the simulation stands still (`NodeRun`), never within it.
 */
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLIN, epoll_event } from '../../kernel/fs/eventpoll.ts';
import { file, type file_operations, O_RDWR } from '../../kernel/fs/file.ts';
import { POLLIN } from '../../kernel/fs/select.ts';
import type { Program } from '../../kernel/sched/task.ts';
import { wait_queue_head } from '../../kernel/sched/wait.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Host } from '../machine/host.ts';
import { check } from '../user/error.ts';

/** A piece of work for the task: system calls in a row. */
export type Work = (sys: Syscalls) => Generator<undefined, void, undefined>;
/** Called with the events of a descriptor, in the task. */
export type Watcher = (sys: Syscalls, events: number) => Generator<undefined, void, undefined>;

const EVENTS = 64;
const RLIMIT_NOFILE = 7;
const DESCRIPTORS = 65536;
export const BUFFER = 65536;

/** Readable while there is work: an eventfd that JavaScript writes to. */
class Doorbell {
  readonly queue = new wait_queue_head();
  rung = false;
  readonly file: file;

  constructor() {
    const ops: file_operations = {
      poll: (open, table) => {
        if (table !== null) table.poll_wait(open, this.queue);
        return this.rung ? POLLIN : 0;
      },
      release() {},
    };
    this.file = new file(ops, this, O_RDWR);
  }
}

export class EventLoop {
  readonly host: Host;
  /** User memory of the task, BUFFER bytes. */
  buffer = 0;
  private readonly calls: (fn: () => void) => void;
  private readonly queue: Work[] = [];
  private readonly watchers = new Map<number, Watcher>();
  private readonly bell = new Doorbell();
  private epfd = -1;
  private inside = false;
  private readonly event = new epoll_event();

  /** @param calls takes calls into JavaScript, for whoever runs the simulation */
  constructor(host: Host, calls: (fn: () => void) => void) {
    this.host = host;
    this.calls = calls;
    host.spawn('node', sys => this.main(sys));
  }

  /** Leaves a call into JavaScript. */
  callback(fn: () => void): void {
    this.calls(fn);
  }

  /** Leaves work for the task. */
  post(work: Work): void {
    this.queue.push(work);
    if (this.inside || this.bell.rung) return;
    this.bell.rung = true;
    this.host.exec(() => this.bell.queue.wake_up(POLLIN));
    this.host.world.poke?.();
  }

  private *main(sys: Syscalls): Program {
    check('setrlimit', yield* sys.setrlimit(RLIMIT_NOFILE, DESCRIPTORS));
    this.buffer = check('mmap', sys.mmap(BUFFER));
    this.epfd = check('epoll_create1', yield* sys.epoll_create1(0));
    const bell = check('eventfd', sys.task.files.install(this.bell.file));
    yield* this.control(sys, EPOLL_CTL_ADD, bell, EPOLLIN);
    const events = Array.from({ length: EVENTS }, () => new epoll_event());
    for (;;) {
      this.inside = true;
      this.bell.rung = false;
      for (let work = this.queue.shift(); work !== undefined; work = this.queue.shift()) yield* work(sys);
      this.inside = false;
      const n = check('epoll_wait', yield* sys.epoll_wait(this.epfd, events, EVENTS, -1));
      this.inside = true;
      for (let i = 0; i < n; i++) {
        const { data, events: ready } = events[i] as epoll_event;
        const watcher = this.watchers.get(data);
        if (watcher !== undefined) yield* watcher(sys, ready);
      }
    }
  }

  private *control(sys: Syscalls, op: number, fd: number, events: number): Generator<undefined, void, undefined> {
    this.event.events = events;
    this.event.data = fd;
    check('epoll_ctl', yield* sys.epoll_ctl(this.epfd, op, fd, this.event));
  }

  /** In the task: from now on `watcher` hears of `events` on `fd`. */
  *watch(sys: Syscalls, fd: number, events: number, watcher: Watcher): Generator<undefined, void, undefined> {
    const known = this.watchers.has(fd);
    this.watchers.set(fd, watcher);
    yield* this.control(sys, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events);
  }

  /** In the task: nobody listens to `fd` any more. Before it is closed. */
  *unwatch(sys: Syscalls, fd: number): Generator<undefined, void, undefined> {
    if (this.watchers.delete(fd)) yield* this.control(sys, EPOLL_CTL_DEL, fd, 0);
  }
}
