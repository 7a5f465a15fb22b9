// `rewrite` in a request's way. Other names for models come before everything: see `Policies.renamed`.

import type { OptionsOf } from "../../config/policies.ts";
import type { Asking, PromptPolicy } from "../policy.ts";
import { PromptBody } from "./prompt_body.ts";
import { collapseTexts, dropFields } from "./rewrite.ts";

export class RewritePolicy implements PromptPolicy {
  readonly turn = "parameters";
  readonly name: string;

  constructor(private readonly options: OptionsOf<"rewrite">) {
    this.name = options.name;
  }

  ask({ body, trail }: Asking): void {
    const { name, mode, drop, collapse_whitespace } = this.options;
    const seen = mode === "audit" ? new PromptBody(body.api, body.bytes) : body;
    const dropped = dropFields(seen, drop).length;
    const saved = collapse_whitespace ? collapseTexts(seen) : 0;
    const hit = { name, stage: "prompt", mode, channel: "", choice: 0 } as const;
    if (dropped > 0) trail.hit({ ...hit, action: "drop" });
    if (saved > 0) trail.hit({ ...hit, action: "collapse" });
  }
}
