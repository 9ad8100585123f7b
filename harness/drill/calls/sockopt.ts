/** getsockopt and setsockopt, from the bytes of a program to the kernel's option object (../options.ts) and back. */
import { EFAULT, EINVAL } from '../../../kernel/errno.ts';
import { SO_TYPE, SOL_SOCKET } from '../../../kernel/net/core/sock.ts';
import { sockopt } from '../../../kernel/net/msg.ts';
import { bytesOf, int32 } from '../check.ts';
import type { Body } from '../operation.ts';
import { askOption, decodeOption, encodeOption, keepsTheRest, optionName } from '../options.ts';

export function getsockopt(
  fd: number,
  level: number,
  option: number,
  length: number,
  given: Uint8Array | null,
): Body<Uint8Array> {
  const room = int32('length', length);
  const name = optionName(int32('level', level), int32('option', option));
  int32('fd', fd);
  bytesOf('given', given);
  return function* (sys) {
    const opt = new sockopt();
    const good = yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, opt);
    if (good < 0) return [good];
    if (room < 0) return [-EINVAL];
    const asked = askOption(level, name, room, given, opt);
    if (asked < 0) return [asked];
    const result = yield* sys.getsockopt(fd, level, name, opt);
    if (result < 0) return [result];
    const bytes = encodeOption(level, name, opt, room, given);
    return typeof bytes === 'number' ? [bytes] : [0, bytes.slice()];
  };
}

export function setsockopt(fd: number, level: number, option: number, value: Uint8Array | null): Body {
  const copy = bytesOf('value', value)?.slice() ?? null;
  const name = optionName(int32('level', level), int32('option', option));
  int32('fd', fd);
  return function* (sys) {
    const opt = new sockopt();
    const good = yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, opt);
    if (good < 0) return [good];
    if (copy === null) return [-EFAULT];
    const decoded = decodeOption(level, name, copy, opt);
    if (decoded < 0) return [decoded];
    if (keepsTheRest(level, copy)) {
      const before = new sockopt();
      const failed = yield* sys.getsockopt(fd, level, name, before);
      if (failed < 0) return [failed];
      opt.value |= before.value & (-1 << (8 * copy.length));
    }
    return [yield* sys.setsockopt(fd, level, name, opt)];
  };
}
