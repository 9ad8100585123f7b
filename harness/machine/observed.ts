/** What a host's programs see, and what it has counted at the end, into the run hash. */
import { epoll_event } from '../../kernel/fs/eventpoll.ts';
import { fd_set, pollfd } from '../../kernel/fs/select.ts';
import { cmsg, mmsghdr, sockaddr_in, sockaddr_ll, sockopt, user_msghdr } from '../../kernel/net/msg.ts';
import type { task_struct } from '../../kernel/sched/task.ts';
import type { ProgramObserver } from '../../kernel/trace/observer.ts';
import type { RunHash } from '../sim/runhash.ts';
import { hostStatus } from '../trace/status.ts';
import type { Host } from './host.ts';

/** Each system call with its result, what it wrote into its arguments, and the bytes it delivered; each exit. */
export class HashedPrograms implements ProgramObserver {
  private readonly host: Host;
  private readonly hash: RunHash;

  constructor(host: Host, hash: RunHash) {
    this.host = host;
    this.hash = hash;
  }

  sys_exit(task: task_struct, name: string, result: number, ...args: unknown[]): void {
    this.hash.note(`${this.host.name}.${name}`, this.host.kernel.clock.now, task.pid, result);
    for (const argument of args) if (typeof argument === 'object' && argument !== null) this.object(argument, result);
  }

  copy_to_user(address: number, length: number): void {
    this.hash.data(this.host.kernel.ram.u8, address, length);
  }

  exit(task: task_struct): void {
    const { hash, host } = this;
    hash.note(`${host.name}.exit`, host.kernel.clock.now, task.pid, task.exit_code);
    if (task.exit_error !== null) hash.text(String(task.exit_error));
  }

  private object(it: object, result: number): void {
    const { hash } = this;
    if (Array.isArray(it)) {
      for (let i = 0; i < it.length; i++)
        if (i < result || it[i] instanceof pollfd) this.object(it[i] as object, result);
    } else if (it instanceof pollfd) {
      hash.note('pollfd', it.fd, it.events, it.revents);
    } else if (it instanceof epoll_event) {
      hash.note('epoll_event', it.events, it.data);
    } else if (it instanceof sockaddr_in) {
      hash.note('sockaddr_in', it.sa_family, it.sin_addr, it.sin_port);
    } else if (it instanceof sockaddr_ll) {
      hash.note('sockaddr_ll', it.sll_ifindex, it.sll_protocol, it.sll_hatype, it.sll_pkttype);
      hash.data(it.sll_addr, 0, it.sll_addr.length);
    } else if (it instanceof sockopt) {
      hash.note('sockopt', it.value, it.sec, it.usec);
      hash.text(it.text);
      hash.note('address', it.address, it.ifindex, it.optlen, it.list.length);
      if (it.bytes !== null) hash.data(it.bytes, 0, it.bytes.length);
    } else if (it instanceof fd_set) {
      for (const word of it.words()) hash.note('fd_set', word);
    } else if (it instanceof mmsghdr) {
      hash.note('mmsghdr', it.len);
      this.object(it.hdr, it.len);
    } else if (it instanceof user_msghdr) {
      hash.note('msghdr', it.flags);
      if (it.name !== null) this.object(it.name, result);
      if (it.control !== null) this.object(it.control, result);
    } else if (it instanceof cmsg) {
      hash.note('cmsg', it.present, it.ttl, it.tos, it.timestamp);
      hash.note('pktinfo', it.ipi_ifindex, it.ipi_spec_dst, it.ipi_addr);
      hash.note('cmsg', it.mark, it.priority, it.dropcount, it.gso_size);
      hash.note('orig', it.orig_addr, it.orig_port, it.frag_size);
      hash.note('ee', it.ee_errno, it.ee_origin, it.ee_type, it.ee_code);
      hash.note('ee_info', it.ee_info, it.ee_data, it.ee_offender);
      hash.data(it.opt, 0, it.opt_len);
    }
  }
}

/** Everything a host has counted: card, devices, interrupts, softirqs, drops, protocols. Nothing is disturbed. */
export function hashCounters(host: Host, hash: RunHash): void {
  const { init_net, softnet } = host.kernel;
  const backlogs = softnet.map(({ processed, dropped, time_squeeze }) => [processed, dropped, time_squeeze]);
  const faults = host.cards.map(({ slot }) => slot.iommu.faults);
  hash.text(JSON.stringify([hostStatus(host), init_net.ipv4.mib, backlogs, faults]));
}
