/** Bytes from file to file without a program's memory between (fs/splice.c, fs/read_write.c: do_sendfile). */
import { EAGAIN, EBADF, EINVAL, EPIPE, ESPIPE } from '../errno.ts';
import { ERESTARTSYS, type task_struct } from '../sched/task.ts';
import { type file, O_NONBLOCK } from './file.ts';
import { get_pipe_info, PAGE_SIZE, PIPE_BUFFERS, pipe_inode_info, pipe_wait } from './pipe.ts';

export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;
export const SPLICE_F_MORE = 4;
const SPLICE_F_ALL = 15;
const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_WRONLY = 1;

/** A position in a file, in and out (loff_t *). */
export class loff_t {
  value: number;

  constructor(value = 0) {
    this.value = value;
  }
}

/** What a call has done before it went to sleep: kept over restarts (call.held). */
export class splice_state {
  /** Bytes that the present pipeful has given to the socket, and those of the ones before. */
  done = 0;
  bytes = 0;
}

function state_of(task: task_struct): splice_state {
  const { call } = task;
  if (!(call.held instanceof splice_state)) call.held = new splice_state();
  return call.held as splice_state;
}

const reads = (open: file): boolean => (open.f_flags & O_ACCMODE) !== O_WRONLY;
const writes = (open: file): boolean => (open.f_flags & O_ACCMODE) !== O_RDONLY;

/** splice_file_to_pipe: waits for room; then what the file has for it. */
function splice_file_to_pipe(
  task: task_struct,
  from: file,
  pos: number,
  pipe: pipe_inode_info,
  len: number,
  flags: number,
): number {
  // A file that nobody can splice from: default_file_splice_read is gone since Linux 5.10.
  if (from.f_op.splice_read === undefined) return -EINVAL;
  if (pipe.readers === 0) return -EPIPE;
  if (pipe.full()) return (flags & SPLICE_F_NONBLOCK) !== 0 ? -EAGAIN : pipe_wait(pipe.wr_wait, task);
  const room = (PIPE_BUFFERS - pipe.occupancy()) * PAGE_SIZE;
  const n = from.f_op.splice_read(from, task, pos, pipe, Math.min(len, room), flags);
  if (n > 0) pipe.wake_readers();
  return n;
}

/** do_splice: bytes, 0 at the end, or a negative errno. One of both is a pipe; between two of them it is not here (-EINVAL). */
export function sys_splice(
  task: task_struct,
  fd_in: number,
  off_in: loff_t | null,
  fd_out: number,
  off_out: loff_t | null,
  len: number,
  flags: number,
): number {
  if (len === 0) return 0;
  if ((flags & ~SPLICE_F_ALL) !== 0 || !(len > 0)) return -EINVAL;
  const from = task.files.get(fd_in);
  const to = task.files.get(fd_out);
  if (from === null || to === null) return -EBADF;
  const ipipe = get_pipe_info(from);
  const opipe = get_pipe_info(to);
  if ((ipipe !== null && off_in !== null) || (opipe !== null && off_out !== null)) return -ESPIPE;
  if (!reads(from) || !writes(to)) return -EBADF;
  if (ipipe !== null && opipe === null) {
    if (off_out !== null || to.f_op.splice_write === undefined) return -EINVAL;
    if ((from.f_flags & O_NONBLOCK) !== 0) flags |= SPLICE_F_NONBLOCK;
    return to.f_op.splice_write(ipipe, to, task, len, flags, state_of(task));
  }
  if (ipipe === null && opipe !== null) {
    if (off_in !== null && from.f_op.llseek === undefined) return -EINVAL;
    if (off_in !== null && off_in.value < 0) return -EINVAL;
    if ((to.f_flags & O_NONBLOCK) !== 0) flags |= SPLICE_F_NONBLOCK;
    return positioned(from, off_in, pos => splice_file_to_pipe(task, from, pos, opipe, len, flags));
  }
  return -EINVAL;
}

/** The file's own position, or the program's, goes on by what was moved. */
function positioned(from: file, offset: loff_t | null, move: (pos: number) => number): number {
  const { llseek } = from.f_op;
  const pos = offset !== null ? offset.value : llseek === undefined ? 0 : llseek(from, 0, 1);
  const n = move(pos);
  if (n <= 0) return n;
  if (offset !== null) offset.value = pos + n;
  else if (llseek !== undefined) llseek(from, pos + n, 0);
  return n;
}

/** do_sendfile: from a file with positions to a socket or a pipe. */
export function sys_sendfile(
  task: task_struct,
  fd_out: number,
  fd_in: number,
  offset: loff_t | null,
  count: number,
): number {
  const from = task.files.get(fd_in);
  const to = task.files.get(fd_out);
  if (from === null || !reads(from)) return -EBADF;
  if (offset !== null && from.f_op.llseek === undefined) return -ESPIPE;
  if (to === null || !writes(to)) return -EBADF;
  if (offset !== null && offset.value < 0) return -EINVAL;
  if (count === 0) return 0;
  const pipe = get_pipe_info(to);
  if (pipe !== null) return positioned(from, offset, pos => splice_file_to_pipe(task, from, pos, pipe, count, 0));
  if (from.f_op.llseek === undefined || from.f_op.splice_read === undefined) return -EINVAL;
  if (to.f_op.splice_write === undefined) return -EINVAL;
  return positioned(from, offset, pos => splice_direct_to_actor(task, from, to, pos, count));
}

/**
 * splice_direct_to_actor: by a pipe of its own, a pipeful at a time. All but the last say that more will come (SPLICE_F_MORE).
 * A call that sleeps gives the pipe's pages back, and takes them again when it goes on.
 */
function splice_direct_to_actor(task: task_struct, from: file, to: file, pos: number, count: number): number {
  const state = state_of(task);
  const { splice_read } = from.f_op;
  const { splice_write, splice_eof } = to.f_op;
  if (splice_read === undefined || splice_write === undefined) return -EINVAL;
  const pipe = new pipe_inode_info(task.kernel);
  while (state.bytes < count) {
    const left = count - state.bytes;
    const n = splice_read(from, task, pos + state.bytes, pipe, Math.min(left, PIPE_BUFFERS * PAGE_SIZE), 0);
    if (n <= 0) {
      // Less than was announced: nothing more will come.
      if (n === 0 && state.bytes > 0 && splice_eof !== undefined) splice_eof(to);
      return state.bytes > 0 ? state.bytes : n;
    }
    pipe.consume(state.done);
    // There is no writer: at its end it is at its end.
    pipe.writers = 0;
    const sent = splice_write(pipe, to, task, n, n < left ? SPLICE_F_MORE : 0, state);
    pipe.clear();
    if (sent === -ERESTARTSYS) return sent;
    state.done = 0;
    if (sent <= 0) return state.bytes > 0 ? state.bytes : sent;
    state.bytes += sent;
    if (sent < n) break;
  }
  return state.bytes;
}
