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
/** The same, where the field is in jiffies; in milliseconds (proc_dointvec_ms_jiffies); in USER_HZ (proc_dointvec_userhz_jiffies). */
export const jiffies = int(seconds.min, seconds.max, HZ);
export const ms_jiffies = int(0, INT_MAX, HZ / 1000);
export const userhz_jiffies = int(0, INT_MAX / (HZ / 100), HZ / 100);

/** Several integers in an array, as tcp_rmem. */
export function vector(min = INT_MIN, max = INT_MAX): ctl_kind {
  return { kind: 'vector', min, max, scale: 1 };
}

/** What a directory holds: the settings' names and kinds; and, beside the object's fields, what a change sets off. */
export interface ctl_dir<T> {
  readonly kinds: { readonly [F in keyof T]?: ctl_kind };
  /** Settings that show a field under another name, in other units. */
  readonly views?: { readonly [name: string]: { readonly field: keyof T; readonly kind: ctl_kind } };
  readonly changed?: (object: T, field: keyof T) => void;
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
  private readonly changed: () => void;

  constructor(object: Fields, field: string, kind: ctl_kind, changed: () => void) {
    this.object = object;
    this.field = field;
    this.kind = kind;
    this.changed = changed;
  }

  read(): string {
    const value = this.object[this.field];
    if (this.kind.kind === 'vector') return (value as number[]).join('\t');
    return String(Math.trunc((value as number) / this.kind.scale));
  }

  write(text: string): number {
    const words = text.trim().split(/\s+/);
    const result = this.store(words);
    if (result === 0) this.changed();
    return result;
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

interface setting<T> {
  readonly field: keyof T;
  readonly kind: ctl_kind;
}

/** A directory's settings by name. */
function settings_of<T>(dir: ctl_dir<T>): Map<string, setting<T>> {
  const settings = new Map<string, setting<T>>();
  for (const [name, kind] of Object.entries(dir.kinds) as [string, ctl_kind][]) {
    settings.set(name, { field: name as keyof T, kind });
  }
  for (const [name, view] of Object.entries(dir.views ?? {})) settings.set(name, view);
  return settings;
}

function entry_of<T extends object>(object: T, dir: ctl_dir<T>, field: keyof T, kind: ctl_kind): ctl_entry {
  return new field_entry(object as Fields, String(field), kind, () => dir.changed?.(object, field));
}

/** A directory whose entries come and go, as net.ipv4.conf: one below for each device. */
interface dynamic_dir {
  names(): string[];
  entry(name: string, field: string): ctl_entry | null;
  readonly fields: readonly string[];
}

export class sysctl_table {
  private readonly entries = new Map<string, ctl_entry>();
  private readonly dynamic = new Map<string, dynamic_dir>();

  /** register_net_sysctl: `path` as `net.ipv4`. */
  register<T extends object>(path: string, object: T, dir: ctl_dir<T>): void {
    for (const [name, { field, kind }] of settings_of(dir))
      this.entries.set(`${path}.${name}`, entry_of(object, dir, field, kind));
  }

  /** A single setting with code of its own. */
  register_entry(name: string, entry: ctl_entry): void {
    this.entries.set(name, entry);
  }

  /** `path.NAME.field` for each NAME of `names`; `find` gives the object, or null when there is none of the name. */
  register_each<T extends object>(
    path: string,
    names: () => string[],
    find: (name: string) => T | null,
    dir: ctl_dir<T>,
  ): void {
    const settings = settings_of(dir);
    this.dynamic.set(path, {
      names,
      fields: [...settings.keys()],
      entry: (name, setting) => {
        const object = find(name);
        const what = settings.get(setting);
        return object === null || what === undefined ? null : entry_of(object, dir, what.field, what.kind);
      },
    });
  }

  private find(name: string): ctl_entry | null {
    // sysctl(8): either separator; where the first one is a slash, a dot belongs to a device's name.
    const separator = /[./]/.exec(name)?.[0] ?? '.';
    const parts = name.split(separator).map(part => (separator === '.' ? part.replaceAll('/', '.') : part));
    const plain = this.entries.get(parts.join('.'));
    if (plain !== undefined) return plain;
    const field = parts.pop() ?? '';
    const device = parts.pop() ?? '';
    return this.dynamic.get(parts.join('.'))?.entry(device, field) ?? null;
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
        for (const field of dir.fields) names.push(`${path}.${each.replaceAll('.', '/')}.${field}`);
      }
    }
    return names.sort();
  }
}

/** A setting that can only be read. */
export function read_only(read: () => string): ctl_entry {
  return { read, write: () => -EACCES };
}
