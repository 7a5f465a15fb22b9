// What the commands offer to a shell, in the form that every script is made from.

import type { Declaration } from "../command/declaration.ts";

export const PROGRAM = "simple-ai-gateway";

export interface CompletedFlag {
  /** Without dashes. */
  name: string;
  short?: string;
  /** Stands for its value, such as FILE; null for a switch. */
  value: string | null;
  /** The values that there are; none where they are not few. */
  words: readonly string[];
  isPath: boolean;
  about: string;
}

export interface Completed {
  name: string;
  summary: string;
  flags: CompletedFlag[];
  /** Words that may follow, beside flags; none for files. */
  words: readonly string[];
}

export function completed({ name, summary, flags, operands }: Declaration): Completed {
  const own = Object.entries(flags).map(([flag, { kind, about, more: { short } }]) => ({
    name: flag,
    short,
    value: kind?.placeholder ?? null,
    words: kind?.words ?? [],
    isPath: kind?.isPath ?? false,
    about,
  }));
  const help = {
    name: "help",
    short: "h",
    value: null,
    words: [],
    isPath: false,
    about: "explains the command",
  };
  return { name, summary, flags: [...own, help], words: operands?.words ?? [] };
}
