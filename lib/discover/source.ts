// What asks somewhere for instances, again and again or by waiting for news, until it is closed.

import type { Target } from "./target.ts";

/** Hears what a source finds. */
export interface Hearer {
  /** All that there are now. */
  found(targets: readonly Target[]): void;
  /** No answer, or none that can be read; the source tries again by itself. */
  failed(message: string): void;
}

export interface Source {
  /** Resolves when nothing of it runs any more. */
  close(): Promise<void>;
}

/** An answer that cannot be used; its message is for people. */
export class Unusable extends Error {}

/** What went wrong, in one line: of errors behind errors the last one says why. */
export function messageOf(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  if (cause instanceof DOMException && cause.name === "TimeoutError") return "no answer in time";
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.split("\n", 1)[0].slice(0, 300);
}
