// A flag as a command declares it. Reading arguments, the help and the completion of shells all come from
// this one declaration.

import type { Kind } from "./kind.ts";

/** A flag whose value, once read, is a T. */
export interface Flag<T> {
  /** One sentence of the help, without a full stop. */
  readonly about: string;
  /** null for a switch, which takes no value. */
  readonly kind: Kind<unknown> | null;
  readonly more: More;
  /** The value where the flag is missing, as it would be written. */
  readonly fallback?: string;
  /** The value for all the times that the flag was given. Throws RangeError like the kind. */
  take(given: readonly string[]): T;
}

/** What only few flags have. */
export interface More {
  /** A letter for it, such as "c" for `-c`. */
  readonly short?: string;
  /** Heading of the help that it stands under. */
  readonly group?: string;
  /** What the flag stands for where no value follows it. */
  readonly alone?: string;
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;
export type Values<F extends Flags> = { readonly [K in keyof F]: ReturnType<F[K]["take"]> };

/** Is there or is not. */
export function toggle(about: string, more: More = {}): Flag<boolean> {
  return { about, kind: null, more, take: (given) => given.length > 0 };
}

/** undefined where it is missing; given twice, the last counts. */
export function optional<T>(kind: Kind<T>, about: string, more: More = {}): Flag<T | undefined> {
  return { about, kind, more, take: (given) => given.map((one) => kind.read(one)).at(-1) };
}

/** `fallback` where it is missing, written as a user would; given twice, the last counts. */
export function withDefault<T>(
  kind: Kind<T>,
  fallback: string,
  about: string,
  more: More = {},
): Flag<T> {
  const take = (given: readonly string[]) =>
    given.reduce((_, one) => kind.read(one), kind.read(fallback));
  return { about, kind, more, fallback, take };
}

/** Every value that was given; none where it is missing. */
export function repeated<T>(kind: Kind<T>, about: string, more: More = {}): Flag<T[]> {
  const told = `${about}; may be repeated`;
  return { about: told, kind, more, take: (given) => given.map((one) => kind.read(one)) };
}
