// How many tokens a request will need, before anybody has counted them: learned from the usage that passes
// by anyway, for each model how many tokens a byte of prompt is, for each key how long its answers are.
// No tokenizer: the truth comes with each answer, and the difference is settled.

import { type PromptSize, tokensOf } from "../pool/prefix/prompt_size.ts";

const NEWEST = 0.05;
/** The bounds of what is believed. */
const LEAST = 0.02;
const GREATEST = 2;
/** A shorter prompt is as much template as text, and says nothing of how many tokens a long one has. */
const LEAST_BYTES = 1024;
/** An answer before any was seen. */
export const USUAL_ANSWER = 500;
/** Answers of a key that are remembered, and the share of them that is not longer than the estimate. */
const REMEMBERED = 64;
const SHARE = 0.9;
/** Models and keys that are known at once; the oldest is forgotten. */
const MAX_KNOWN = 10_000;

export class Estimates {
  readonly #tokensPerByte = new Map<string, number>();
  readonly #answers = new Map<string, Lengths>();

  prompt(model: string, size: PromptSize): number {
    return tokensOf(size, this.#tokensPerByte.get(model));
  }

  /** Of one answer to `key`; `most` is what the request allows, 0 where it does not say. */
  answer(key: string, most: number): number {
    const learned = this.#answers.get(key)?.usual ?? USUAL_ANSWER;
    return most > 0 ? Math.min(most, learned) : learned;
  }

  /** A prompt of this size had so many tokens. */
  prompted(model: string, { bytes, media, ids }: PromptSize, tokens: number): void {
    if (ids !== null || media > 0 || bytes < LEAST_BYTES || tokens <= 0) return;
    const seen = Math.min(GREATEST, Math.max(LEAST, tokens / bytes));
    const before = this.#tokensPerByte.get(model);
    const next = before === undefined ? seen : before + (seen - before) * NEWEST;
    remember(this.#tokensPerByte, model, next);
  }

  /** One answer to `key` had so many tokens. */
  answered(key: string, tokens: number): void {
    const known = this.#answers.get(key);
    const lengths = known ?? new Lengths();
    if (known === undefined) remember(this.#answers, key, lengths);
    lengths.add(tokens);
  }
}

function remember<T>(map: Map<string, T>, name: string, value: T): void {
  if (!map.has(name) && map.size >= MAX_KNOWN) map.delete(map.keys().next().value!);
  map.set(name, value);
}

/** The last lengths, and the one that most are not longer than. */
class Lengths {
  readonly #last: number[] = [];
  /** The same from the shortest to the longest. */
  readonly #sorted: number[] = [];
  #at = 0;
  usual = USUAL_ANSWER;

  add(tokens: number): void {
    const sorted = this.#sorted;
    const isFull = this.#last.length === REMEMBERED;
    let at = isFull ? sorted.indexOf(this.#last[this.#at]) : sorted.length;
    // The new one goes from the place of the oldest to its own: sorting all would cost microseconds.
    for (; at > 0 && sorted[at - 1] > tokens; at--) sorted[at] = sorted[at - 1];
    for (; at < sorted.length - 1 && sorted[at + 1] < tokens; at++) sorted[at] = sorted[at + 1];
    sorted[at] = tokens;
    this.#last[this.#at] = tokens;
    this.#at = (this.#at + 1) % REMEMBERED;
    this.usual = Math.max(1, sorted[Math.ceil(SHARE * sorted.length) - 1]);
  }
}
