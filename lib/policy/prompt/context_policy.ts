// `context` in a request's way.

import type { OptionsOf } from "../../config/policies.ts";
import { type Asking, PolicyRefusal, type PromptPolicy } from "../policy.ts";
import type { PolicyServices } from "../services.ts";
import { holdToContext, tooLongWords } from "./context.ts";
import { PromptBody } from "./prompt_body.ts";
import { Summaries } from "./summaries.ts";

export class ContextPolicy implements PromptPolicy {
  readonly turn = "context";
  readonly name: string;
  readonly #summaries: Summaries | null;

  constructor(
    private readonly options: OptionsOf<"context">,
    private readonly services: PolicyServices,
  ) {
    this.name = options.name;
    const { model, timeout } = options;
    this.#summaries = model === undefined
      ? null
      : new Summaries((body) => services.askModel(model, body, timeout * 1000), model);
  }

  async ask({ body, subject, trail }: Asking): Promise<void> {
    const { name, options } = this;
    const { mode } = options;
    const instances = this.services.contextOf(subject.model);
    const limits = [options.max_tokens, instances].filter((one) => one !== null);
    if (limits.length === 0) return;
    const limit = Math.min(...limits);
    const seen = mode === "audit" ? new PromptBody(body.api, body.bytes) : body;
    const rules = {
      limit,
      over: options.over,
      keepLastTurn: options.keep.includes("last_turn"),
      downTo: options.down_to,
    };
    const summaries = mode === "audit" ? null : this.#summaries;
    const outcome = await holdToContext(
      seen,
      rules,
      this.services.counterOf(subject.model),
      summaries === null ? null : (turns) => summaries.of(turns),
    );
    if (outcome.kind === "fits") return;
    const action = outcome.kind === "too_long" ? "reject" : outcome.action;
    trail.hit({ name, stage: "prompt", mode, action, channel: "", choice: 0 });
    if (outcome.kind !== "too_long" || mode === "audit") return;
    const words = tooLongWords(limit, outcome.tokens, outcome.answer);
    throw new PolicyRefusal(name, words, "input_tokens", `policy:${name}`);
  }
}
