// `parameters` in a request's way.

import type { OptionsOf } from "../../config/policies.ts";
import { type Asking, PolicyRefusal, type PromptPolicy } from "../policy.ts";
import type { PolicyServices } from "../services.ts";
import { ANSWER_LENGTHS } from "./answer_length.ts";
import { applyParameters } from "./parameters.ts";
import { PromptBody } from "./prompt_body.ts";

/** An estimate may be so much too small. */
const MARGIN = 1.25;

export class ParametersPolicy implements PromptPolicy {
  readonly turn = "parameters";
  readonly name: string;
  /** The greatest length of an answer; null without. */
  readonly #longest: number | null;

  constructor(
    private readonly options: OptionsOf<"parameters">,
    private readonly services: PolicyServices,
  ) {
    this.name = options.name;
    const lengths = ANSWER_LENGTHS.flatMap((name) => options.maximum[name] ?? []);
    this.#longest = lengths.length === 0 ? null : Math.min(...lengths);
  }

  async ask({ body, subject, trail }: Asking): Promise<void> {
    const { name, options } = this;
    const { mode } = options;
    const seen = mode === "audit" ? new PromptBody(body.api, body.bytes) : body;
    const outcome = applyParameters(seen, options, await this.#roomFor(seen, subject.model));
    const hit = { name, stage: "prompt", mode, channel: "", choice: 0 } as const;
    if (outcome.kind === "refused") {
      trail.hit({ ...hit, action: "reject" });
      if (mode === "audit") return;
      throw new PolicyRefusal(
        name,
        options.message ?? `${outcome.message} (policy \`${name}\`).`,
        outcome.param,
        `policy:${name}`,
      );
    }
    if (outcome.changed.length > 0) trail.hit({ ...hit, action: "set" });
  }

  /** Tokens that the prompt leaves for an answer, where these may be fewer than the maximum. */
  async #roomFor(body: PromptBody, model: string): Promise<number | null> {
    const limit = this.#longest === null ? null : this.services.contextOf(model);
    if (limit === null || this.#longest === null) return null;
    const counter = this.services.counterOf(model);
    const guess = Math.ceil(counter.estimate(body) * MARGIN);
    if (guess + this.#longest <= limit) return null;
    return limit - (await counter.exact(body) ?? guess);
  }
}
