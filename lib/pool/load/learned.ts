// What the gateway learns from its own traffic: how fast each instance computes prompts; for each model how
// much of a usual prompt has to be computed, and how many bytes a token has.

import type { Layout } from "../memory/layout.ts";
import { SlotRows } from "./slot_rows.ts";

/** Prompt tokens a second, of an instance of which nothing is known, where nothing is known of others. */
export const USUAL_SPEED = 8000;
/** The bounds of what is believed. */
const LEAST_SPEED = 500;
const GREATEST_SPEED = 200_000;
const NEWEST_SPEED = 0.1;

/** Tokens that are computed for a prompt, before anything is known. */
const USUAL_WORK = 500;
const NEWEST_WORK = 0.01;
/** What is assumed weighs as much as so many prompts. */
const ASSUMED_PROMPTS = 4;

/** Of English; other languages, code and base64 have less. */
const USUAL_BYTES_PER_TOKEN = 4;
const LEAST_BYTES_PER_TOKEN = 0.5;
const GREATEST_BYTES_PER_TOKEN = 16;
const NEWEST_BYTES_PER_TOKEN = 0.02;
/** A shorter prompt is more template than text. */
const LEAST_TOKENS = 64;

const NAMES = ["speed", "work", "worked", "bytesPerToken"] as const;

export class Learned {
  readonly #rows: SlotRows<typeof NAMES[number]>;

  /** Instances and models have slots among the same ones. */
  constructor(layout: Layout, slots: number) {
    this.#rows = new SlotRows(layout, slots, NAMES);
  }

  clear(slot: number): void {
    this.#rows.clear(slot);
  }

  /** Prompt tokens that the instance computes in a second; 0 where that is not known. */
  speed(instance: number): number {
    return this.#rows.row.speed[instance];
  }

  /** It has computed `tokens` in `seconds`, and nothing else meanwhile. */
  computed(instance: number, tokens: number, seconds: number): void {
    const speed = Math.min(GREATEST_SPEED, Math.max(LEAST_SPEED, tokens / Math.max(1e-3, seconds)));
    const before = this.speed(instance) || USUAL_SPEED;
    this.#rows.row.speed[instance] = before + (speed - before) * NEWEST_SPEED;
  }

  /** Tokens that are computed for a usual prompt of the model. */
  work(model: number): number {
    return this.#rows.row.work[model] || USUAL_WORK;
  }

  /** `tokens` have to be computed for one more. */
  worked(model: number, tokens: number): void {
    const before = this.work(model);
    // The mean of the first ones, so that what was assumed does not last.
    const seen = this.#rows.row.worked[model] + 1;
    this.#rows.row.worked[model] = seen;
    const newest = Math.max(NEWEST_WORK, 1 / (ASSUMED_PROMPTS + seen));
    this.#rows.row.work[model] = before + (tokens - before) * newest;
  }

  bytesPerToken(model: number): number {
    return this.#rows.row.bytesPerToken[model] || USUAL_BYTES_PER_TOKEN;
  }

  /** A prompt of so many bytes of text had so many tokens. */
  counted(model: number, bytes: number, tokens: number): void {
    if (tokens < LEAST_TOKENS) return;
    const seen = Math.min(
      GREATEST_BYTES_PER_TOKEN,
      Math.max(LEAST_BYTES_PER_TOKEN, bytes / tokens),
    );
    const before = this.bytesPerToken(model);
    this.#rows.row.bytesPerToken[model] = before + (seen - before) * NEWEST_BYTES_PER_TOKEN;
  }
}
