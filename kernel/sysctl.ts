/**
 * sysctl: the kernel's settings by name (kernel/sysctl.c, fs/proc/proc_sysctl.c). A subsystem keeps its settings as
 * fields of an object, each under Linux's name, and registers them here with their ranges. Values are text, as in
 * /proc/sys.
 */
import { EACCES, EINVAL, ENOENT } from './errno.ts';
import { HZ } from './time/timer.ts';

const INT_MAX = 0x7fffffff;
const INT_MIN = -0x80000000;

/** How a setting is read and written. */
export interface ctl_entry {
  read(): string;
  /** 0 or a negative errno. */
  write(text: string): number;
}

/** Kinds of settings: an integer within a range, or several in a row. */
export interface ctl_kind {
  readonly kind: 'int' | 'vector';
  readonly min: number;
  readonly max: number;
  /** The field holds so many of the setting's units. */
  readonly scale: number;
}

/** proc_dointvec_minmax. `scale`: the field holds so many of the setting's units (proc_dointvec_jiffies: 250). */
export function int(min = INT_MIN, max = INT_MAX, scale = 1): ctl_kind {
  return { kind: 'int', min, max, scale };
}

/** A switch: 0 or 1 (proc_dou8vec_minmax with SYSCTL_ZERO and SYSCTL_ONE); and a byte, which most switches are. */
export const bool = int(0, 1);
export const u8 = int(0, 255);
export const u32 = int(0, 0xffffffff);
/** proc_doulongvec_minmax, as far as a number is exact. */
export const ulong = int(0, Number.MAX_SAFE_INTEGER);
/** Seconds that Linux keeps in jiffies, of which an int holds so many (proc_dointvec_jiffies). */
export const seconds = int(Math.ceil(INT_MIN / HZ), Math.floor(INT_MAX / HZ));
/** The same, where the field is in jiffies; and in milliseconds (proc_dointvec_ms_jiffies). */
export const jiffies = int(seconds.min, seconds.max, HZ);
export const ms_jiffies = int(0, INT_MAX, HZ / 1000);

/** Several integers in an array, as tcp_rmem. */
export function vector(min = INT_MIN, max = INT_MAX): ctl_kind {
  return { kind: 'vector', min, max, scale: 1 };
}

/** What a directory holds: the settings' names, which are its object's fields, and their kinds. */
export interface ctl_dir<T> {
  readonly kinds: { readonly [F in keyof T]?: ctl_kind };
}

type Fields = Record<string, unknown>;

/** strtoul_lenient with base 0: a minus, decimal, 0x or a leading 0; null for anything else. */
export function proc_get_long(text: string): number | null {
  const [, sign, digits] = /^(-?)(0[xX][0-9a-fA-F]+|[0-9]+)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const octal = /^0[0-9]/.test(digits);
  if (octal && /[89]/.test(digits)) return null;
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  return sign === '-' ? -value : value;
}

class field_entry implements ctl_entry {
  private readonly object: Fields;
  private readonly field: string;
  private readonly kind: ctl_kind;

  constructor(object: Fields, field: string, kind: ctl_kind) {
    this.object = object;
    this.field = field;
    this.kind = kind;
  }

  read(): string {
    const value = this.object[this.field];
    if (this.kind.kind === 'vector') return (value as number[]).join('\t');
    return String(Math.trunc((value as number) / this.kind.scale));
  }

  write(text: string): number {
    const words = text.trim().split(/\s+/);
    return this.store(words);
  }

  /** As many as were given, the first ones; those before a bad one are stored. More than there is room for are ignored. */
  private store(words: readonly string[]): number {
    const { object, field, kind } = this;
    const array = kind.kind === 'vector' ? (object[field] as number[]) : null;
    const count = array === null ? 1 : Math.min(words.length, array.length);
    for (let i = 0; i < count; i++) {
      const value = proc_get_long(words[i] as string);
      if (value === null || value < kind.min || value > kind.max) return -EINVAL;
      if (array === null) object[field] = value * kind.scale;
      else array[i] = value * kind.scale;
    }
    return 0;
  }
}

/** A directory whose entries come and go, as net.ipv4.conf: integers, below each device's name. */
export interface dynamic_dir {
  names(): string[];
  /** The settings and their ranges. */
  readonly kinds: Readonly<Record<string, ctl_kind>>;
  /** The value, or -ENOENT: there is no such name, or it lacks the setting. */
  get(name: string, setting: string): number;
  /** 0 or a negative errno; what is given is within the range. */
  set(name: string, setting: string, value: number): number;
}

function dynamic_entry(dir: dynamic_dir, name: string, setting: string): ctl_entry | null {
  const kind = Object.hasOwn(dir.kinds, setting) ? dir.kinds[setting] : undefined;
  if (kind === undefined || !dir.names().includes(name) || dir.get(name, setting) === -ENOENT) return null;
  return {
    read: () => String(Math.trunc(dir.get(name, setting))),
    write(text) {
      const value = proc_get_long(text.trim().split(/\s+/)[0] as string);
      if (value === null || value < kind.min || value > kind.max) return -EINVAL;
      return dir.set(name, setting, value);
    },
  };
}

export class sysctl_table {
  private readonly entries = new Map<string, ctl_entry>();
  private readonly dynamic = new Map<string, dynamic_dir>();

  /** register_net_sysctl: `path` as `net.ipv4`. */
  register<T extends object>(path: string, object: T, dir: ctl_dir<T>): void {
    for (const [field, kind] of Object.entries(dir.kinds) as [string, ctl_kind][]) {
      this.entries.set(`${path}.${field}`, new field_entry(object as Fields, field, kind));
    }
  }

  /** A field under a name of its own. */
  register_field<T extends object>(name: string, object: T, field: keyof T & string, kind: ctl_kind): void {
    this.entries.set(name, new field_entry(object as Fields, field, kind));
  }

  /** A single setting with code of its own. */
  register_entry(name: string, entry: ctl_entry): void {
    this.entries.set(name, entry);
  }

  /** `path.NAME.setting` for each NAME of `dir.names()`, whose number changes. */
  register_each(path: string, dir: dynamic_dir): void {
    this.dynamic.set(path, dir);
  }

  private find(name: string): ctl_entry | null {
    // sysctl(8): either separator; where the first one is a slash, a dot belongs to a device's name.
    const separator = /[./]/.exec(name)?.[0] ?? '.';
    const parts = name.split(separator).map(part => (separator === '.' ? part.replaceAll('/', '.') : part));
    const plain = this.entries.get(parts.join('.'));
    if (plain !== undefined) return plain;
    const setting = parts.pop() ?? '';
    const device = parts.pop() ?? '';
    const dir = this.dynamic.get(parts.join('.'));
    return dir === undefined ? null : dynamic_entry(dir, device, setting);
  }

  /** The setting's text without a line's end, or -ENOENT. */
  read(name: string): string | number {
    return this.find(name)?.read() ?? -ENOENT;
  }

  /** Is there one of the name? */
  has(name: string): boolean {
    return this.find(name) !== null;
  }

  /** 0, -ENOENT, -EINVAL, -EACCES. */
  write(name: string, text: string): number {
    return this.find(name)?.write(text) ?? -ENOENT;
  }

  /** Every name there is now, as `sysctl -a` lists them. */
  names(): string[] {
    const names = [...this.entries.keys()];
    for (const [path, dir] of this.dynamic) {
      for (const each of dir.names()) {
        for (const setting of Object.keys(dir.kinds)) {
          if (dir.get(each, setting) !== -ENOENT) names.push(`${path}.${each.replaceAll('.', '/')}.${setting}`);
        }
      }
    }
    return names.sort();
  }
}

/** A setting that can only be read. */
export function read_only(read: () => string): ctl_entry {
  return { read, write: () => -EACCES };
}
