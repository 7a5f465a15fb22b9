// Flags that name instances, as `init` and `serve` share them.

import { optional, repeated } from "./command/flag.ts";
import { expected, type Kind, text } from "./command/kind.ts";
import { addressOf } from "./probe.ts";

export const ADDRESS: Kind<string> = { placeholder: "URL", read: addressOf };

const VARIABLE: Kind<string> = {
  placeholder: "NAME",
  read(given) {
    if (!/^[A-Za-z_]\w*$/.test(given)) throw expected("the name of a variable", given);
    return given;
  },
};

/** `--instance`. */
export function instanceFlag(about: string) {
  return repeated(ADDRESS, about);
}

/** `--model`. */
export const modelFlag = optional(text("NAME"), "model of the instances that cannot be asked");

/** `--api-key-env`. */
export function keyFlag(about: string) {
  return optional(VARIABLE, about);
}

/** The key that `variable` holds; null after it was said that it holds none. */
export function keyIn(variable: string | undefined): string | undefined | null {
  if (variable === undefined) return undefined;
  const key = Deno.env.get(variable);
  if (key !== undefined) return key;
  console.error(`--api-key-env: environment variable \`${variable}\` is not set`);
  return null;
}
