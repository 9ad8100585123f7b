/** Files without a name, in memory (mm/memfd.c, mm/shmem.c): pages on demand; what was never written is zero. */
import { EINVAL, EMFILE, ENOMEM, ENOSPC } from '../errno.ts';
import { file, type file_operations, O_RDWR } from '../fs/file.ts';
import { copy_from_buffers, copy_to_buffers, PAGE_SIZE, type pipe_inode_info, user_buffers } from '../fs/pipe.ts';
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../fs/select.ts';
import type { Kernel } from '../kernel.ts';
import { total_length, type user_msghdr } from '../net/msg.ts';
import type { task_struct } from '../sched/task.ts';
import { GFP_KERNEL } from './slab.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const MFD_NAME_MAX_LEN = 249;
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;

/** An inode of shmem, and its one open file's position. */
class memfd {
  readonly kernel: Kernel;
  /** By number; 0 or nothing: a hole. */
  readonly pages: number[] = [];
  size = 0;
  pos = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** The page's address, made when there is none; 0 without memory. */
  page(index: number): number {
    const there = this.pages[index] ?? 0;
    if (there !== 0) return there;
    const page = this.kernel.slab.kmalloc(PAGE_SIZE, GFP_KERNEL);
    if (page !== 0) {
      this.kernel.ram.u8.fill(0, page, page + PAGE_SIZE);
      while (this.pages.length < index) this.pages.push(0);
      this.pages[index] = page;
    }
    return page;
  }

  /** shmem_truncate_range, shmem_setattr. What a pipe has of the pages stays there. */
  truncate(size: number): void {
    const keep = Math.ceil(size / PAGE_SIZE);
    for (const page of this.pages.splice(keep)) if (page !== 0) this.kernel.slab.put(page);
    const last = this.pages[keep - 1] ?? 0;
    const within = size % PAGE_SIZE;
    if (last !== 0 && within !== 0) this.kernel.ram.u8.fill(0, last + within, last + PAGE_SIZE);
    this.size = size;
  }
}

const inode = (open: file): memfd => open.private_data as memfd;

function read_at(open: file, task: task_struct, hdr: user_msghdr, pos: number): number {
  const file = inode(open);
  const length = Math.min(total_length(hdr), Math.max(0, file.size - pos));
  const msg = user_buffers(task, hdr);
  for (let done = 0; done < length; ) {
    const within = (pos + done) % PAGE_SIZE;
    const n = Math.min(PAGE_SIZE - within, length - done);
    const page = file.page((pos + done - within) / PAGE_SIZE);
    const err = page === 0 ? -ENOMEM : copy_to_buffers(file.kernel, page + within, msg, done, n);
    if (err !== 0) return done > 0 ? done : err;
    done += n;
  }
  return length;
}

function write_at(open: file, task: task_struct, hdr: user_msghdr, pos: number): number {
  const file = inode(open);
  const length = total_length(hdr);
  const msg = user_buffers(task, hdr);
  let done = 0;
  let err = 0;
  while (done < length) {
    const within = (pos + done) % PAGE_SIZE;
    const n = Math.min(PAGE_SIZE - within, length - done);
    const page = file.page((pos + done - within) / PAGE_SIZE);
    err = page === 0 ? -ENOSPC : copy_from_buffers(file.kernel, page + within, msg, done, n);
    if (err !== 0) break;
    done += n;
  }
  file.size = Math.max(file.size, done === 0 ? 0 : pos + done);
  return length < 0 ? length : done > 0 ? done : err;
}

/** shmem_file_splice_read: pages by reference, as many as the pipe has room for. */
function splice_read(open: file, pos: number, pipe: pipe_inode_info, len: number): number {
  const file = inode(open);
  let left = Math.min(len, file.size - pos);
  let done = 0;
  for (; left > 0 && !pipe.full(); ) {
    const within = (pos + done) % PAGE_SIZE;
    const n = Math.min(PAGE_SIZE - within, left);
    const page = file.page((pos + done - within) / PAGE_SIZE);
    if (page === 0) return done > 0 ? done : -ENOMEM;
    file.kernel.slab.get(page);
    pipe.push(page, within, n, false);
    done += n;
    left -= n;
  }
  return done;
}

const memfd_ops: file_operations = {
  poll: () => POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
  release: open => inode(open).truncate(0),
  read(open, task, hdr) {
    const n = read_at(open, task, hdr, inode(open).pos);
    if (n > 0) inode(open).pos += n;
    return n;
  },
  write(open, task, hdr) {
    const n = write_at(open, task, hdr, inode(open).pos);
    if (n > 0) inode(open).pos += n;
    return n;
  },
  read_at,
  write_at,
  splice_read: (open, _task, pos, pipe, len) => splice_read(open, pos, pipe, len),
  llseek(open, offset, whence) {
    const file = inode(open);
    const from =
      whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.pos : whence === SEEK_END ? file.size : Number.NaN;
    const pos = from + offset;
    if (!(pos >= 0)) return -EINVAL;
    file.pos = pos;
    return pos;
  },
  truncate(open, size) {
    inode(open).truncate(size);
    return 0;
  },
};

/** memfd_create: a descriptor, -EINVAL or -EMFILE. Seals and huge pages are not here. */
export function sys_memfd_create(task: task_struct, name: string, flags: number): number {
  const known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
  if ((flags & ~known) !== 0 || (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) === (MFD_EXEC | MFD_NOEXEC_SEAL)) return -EINVAL;
  if (name.length > MFD_NAME_MAX_LEN) return -EINVAL;
  if (!task.files.has_room()) return -EMFILE;
  return task.files.install(new file(memfd_ops, new memfd(task.kernel), O_RDWR));
}
