// A model as a guard: one of the gateway's own pools, or another server.

import type { Json } from "../../json/json.ts";
import { Breaker } from "./breaker.ts";
import type { Guard } from "./guard.ts";
import { type ModerationForm, questionBody, readJudged } from "./moderation_form.ts";
import { type GuardQuestion, PASS, type Verdict } from "./verdict.ts";

/** Puts a question to the model: the JSON of its answer. Throws GuardFault. */
export type AskGuardModel = (body: Json) => Promise<unknown>;

export interface ModerationRules {
  readonly model: string;
  readonly form: ModerationForm;
  /** Those that count; empty for all. */
  readonly categories: readonly string[];
  /** Whether what the model calls controversial is unsafe. */
  readonly strict: boolean;
  readonly action: "reject" | "flag";
  readonly message: string | null;
}

export class Moderation implements Guard {
  readonly #breaker = new Breaker();

  constructor(private readonly rules: ModerationRules, private readonly ask: AskGuardModel) {}

  async judge({ texts, stage }: GuardQuestion): Promise<Verdict> {
    if (texts.length === 0) return PASS;
    const { form, model, categories, strict, action, message } = this.rules;
    const judged = await this.#breaker.run(async () =>
      readJudged(form, await this.ask(questionBody(form, model, texts, stage)))
    );
    const isBad = judged.safety === "unsafe" || (strict && judged.safety === "controversial");
    const counts = categories.length === 0 || judged.categories.length === 0 ||
      judged.categories.some((one) => categories.includes(one));
    return isBad && counts ? { action, message, texts: null } : PASS;
  }

  close(): void {
    // Nothing is kept open beyond a call.
  }
}
