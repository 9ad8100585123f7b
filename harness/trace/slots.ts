/** Tracepoints shared by several observers: whoever hooks one keeps calling the one who was there before. */

type AnyFunction = (...args: never[]) => unknown;

/** The names of an object's nullable slots, and what sits in one. */
type SlotName<T> = { [K in keyof T]-?: null extends T[K] ? K : never }[keyof T];
type InSlot<T, K extends keyof T> = NonNullable<T[K]> & AnyFunction;

/**
 * Adds `observer` to a slot, behind the one that is there. Its result is the slot's unless the earlier observer gave
 * one that is not 0 or undefined. Returns what takes it out again.
 */
export function hook<T extends object, K extends SlotName<T>>(slots: T, name: K, observer: InSlot<T, K>): () => void {
  const before = slots[name] as InSlot<T, K> | null;
  let active = true;
  const both = (...args: never[]): unknown => {
    const first = before === null ? undefined : before(...args);
    const second = active ? observer(...args) : undefined;
    return first === undefined || first === 0 ? (second ?? first ?? 0) : first;
  };
  slots[name] = both as T[K];
  return () => {
    active = false;
    // Somebody may have hooked the slot after us: then ours stays in the chain and does nothing.
    if (slots[name] === (both as T[K])) slots[name] = before as T[K];
  };
}
