// What the value of a flag may be: how it is read, what stands for it in the help, and what a shell may
// offer for it.

/** A form of values. `read` throws a RangeError that says what was expected and what came. */
export interface Kind<T> {
  /** Stands for the value in the help, such as FILE. */
  readonly placeholder: string;
  /** The values that there are, where they are few. */
  readonly words?: readonly string[];
  /** Whether it is a file or folder. */
  readonly isPath?: boolean;
  read(text: string): T;
}

/** The error of a value that is not `what` was expected. */
export function expected(what: string, got: string): RangeError {
  return new RangeError(`expected ${what}, got \`${got}\``);
}

/** Any text. */
export function text(placeholder: string): Kind<string> {
  return { placeholder, read: (given) => given };
}

/** A file or folder. */
export function path(placeholder: string): Kind<string> {
  return { placeholder, isPath: true, read: (given) => given };
}

/** A whole number from `least` to `most`. */
export function whole(placeholder: string, least = 0, most = Infinity): Kind<number> {
  const what = most === Infinity
    ? least === 0 ? "a whole number" : `a whole number from ${least}`
    : `${least} to ${most}`;
  return {
    placeholder,
    read(given) {
      const value = Number(given);
      if (!/^\d+$/.test(given) || value < least || value > most) throw expected(what, given);
      return value;
    },
  };
}

/** A number that is not negative. */
export function decimal(placeholder: string): Kind<number> {
  return {
    placeholder,
    read(given) {
      const value = Number(given);
      if (given.trim() === "" || !(value >= 0)) throw expected("a number", given);
      return value;
    },
  };
}

/** One of `words`. */
export function oneOf<const T extends string>(placeholder: string, words: readonly T[]): Kind<T> {
  return {
    placeholder,
    words,
    read(given) {
      const word = words.find((one) => one === given);
      if (word === undefined) throw expected(listed(words), given);
      return word;
    },
  };
}

/** `a, b or c` */
function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
