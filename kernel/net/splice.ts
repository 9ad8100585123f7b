/** From a pipe to a socket (fs/splice.c: splice_to_socket). */
import { EAGAIN } from '../errno.ts';
import { type file, O_NONBLOCK } from '../fs/file.ts';
import { PIPE_BUFFERS, type pipe_inode_info, pipe_wait } from '../fs/pipe.ts';
import { SPLICE_F_MORE, SPLICE_F_NONBLOCK, type splice_state } from '../fs/splice.ts';
import { ERESTARTSYS, type task_struct } from '../sched/task.ts';
import { iovec, MSG_DONTWAIT, MSG_MORE, type proto_ops } from './msg.ts';
import type { socket } from './socket.ts';

/**
 * splice_to_socket: up to `len` bytes of the pipe, as messages of at most sixteen of its pages. Waits for the pipe only while
 * nothing was sent. `state.done`: what earlier slices of the call have sent.
 */
export function splice_to_socket(
  pipe: pipe_inode_info,
  open: file,
  task: task_struct,
  len: number,
  flags: number,
  state: splice_state,
): number {
  const sock = open.private_data as socket;
  const { call } = task;
  const { msg } = task.kernel.init_net.core;
  while (state.done < len) {
    if (pipe.occupancy() === 0) {
      if (pipe.writers === 0 || state.done > 0) break;
      if ((flags & SPLICE_F_NONBLOCK) !== 0) return -EAGAIN;
      return pipe_wait(pipe.rd_wait, task);
    }
    const pieces: iovec[] = [];
    let remain = len - state.done;
    for (let i = 0; i < pipe.occupancy() && remain > 0 && i < PIPE_BUFFERS; i++) {
      const buf = pipe.buffer(i);
      const n = Math.min(remain, buf.len);
      pieces.push(new iovec(buf.page + buf.offset, n));
      remain -= n;
    }
    const more = (flags & SPLICE_F_MORE) !== 0 || (remain > 0 && pipe.occupancy() > pieces.length);
    msg.msg_name = null;
    msg.msg_base = (pieces[0] as iovec).base;
    msg.msg_iov = pieces.length > 1 ? pieces : null;
    msg.flags = (more ? MSG_MORE : 0) | ((open.f_flags & O_NONBLOCK) !== 0 ? MSG_DONTWAIT : 0);
    msg.msg_flags = 0;
    msg.msg_control = null;
    msg.msg_task = task;
    msg.msg_kernel = true;
    const sent = (sock.ops as proto_ops).sendmsg(sock, msg, len - state.done - remain);
    msg.msg_kernel = false;
    if (sent === -ERESTARTSYS) return sent;
    call.progress = 0;
    call.deadline = 0;
    if (sent <= 0) return state.done > 0 ? state.done : sent;
    state.done += sent;
    pipe.consume(sent);
    pipe.wake_writers();
  }
  return state.done;
}
