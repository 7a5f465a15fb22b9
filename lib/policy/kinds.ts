// What each kind of policy does on prompts: a new kind gets its line here, and its options in lib/config/.

import type { PolicyConfig } from "../config/policies.ts";
import { isText } from "./answer/rules.ts";
import { GuardsPolicy } from "./guard/guards_policy.ts";
import { Placeholders } from "./placeholders.ts";
import type { PromptPolicy } from "./policy.ts";
import { ContextPolicy } from "./prompt/context_policy.ts";
import { ParametersPolicy } from "./prompt/parameters_policy.ts";
import { RewritePolicy } from "./prompt/rewrite_policy.ts";
import { SystemPromptPolicy } from "./prompt/system_prompt_policy.ts";
import { TextFilter } from "./prompt/text_filter.ts";
import type { RuleBook } from "./rule_book.ts";
import type { PolicyServices } from "./services.ts";
import type { Alphabet } from "./text/alphabet.ts";

/** The policy on prompts that these options ask for; null where they look at answers alone. */
export function promptPolicyOf(
  config: PolicyConfig,
  services: PolicyServices,
  alphabet: () => Alphabet,
  book: RuleBook,
): PromptPolicy | null {
  const { options, files } = config;
  switch (options.type) {
    case "words":
    case "patterns":
    case "pii":
    case "secrets":
      if (options.on === "answer" || !isText(config)) return null;
      return new TextFilter(config, book, new Placeholders(alphabet));
    case "parameters":
      return new ParametersPolicy(options, services);
    case "system_prompt":
      return new SystemPromptPolicy([{ options, files }], services.now);
    case "context":
      return new ContextPolicy(options, services);
    case "rewrite":
      return new RewritePolicy(options);
    case "moderation":
    case "webhook":
    case "plugin":
      return options.on === "answer" ? null : new GuardsPolicy([options], services);
  }
}

/** Policies whose order is settled, with those made one that act together. */
export function joined(policies: readonly PromptPolicy[]): PromptPolicy[] {
  return GuardsPolicy.joined(SystemPromptPolicy.joined(policies));
}
