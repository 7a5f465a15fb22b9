// `system_prompt` in a request's way. Those that follow each other act as one, so that a second gateway
// finds what the first one has made.

import type { OptionsOf, PolicyConfig } from "../../config/policies.ts";
import type { Asking, PromptPolicy, Subject } from "../policy.ts";
import { PromptBody } from "./prompt_body.ts";
import { filledIn, type HouseText, withHouseTexts } from "./system_prompt.ts";

type SystemPromptConfig = PolicyConfig<OptionsOf<"system_prompt">>;

export class SystemPromptPolicy implements PromptPolicy {
  readonly turn = "system_prompt";
  readonly name: string;

  /** In the order of the file. */
  constructor(
    private readonly configs: readonly SystemPromptConfig[],
    private readonly now: () => Date,
  ) {
    this.name = configs.map(({ options }) => options.name).join(" ");
  }

  ask({ body, subject, trail }: Asking): void {
    const enforced = this.configs.filter(({ options }) => options.mode === "enforce");
    const watched = this.configs.filter(({ options }) => options.mode === "audit");
    const texts = (configs: readonly SystemPromptConfig[]) =>
      configs.map((config) => this.#textFor(config, subject));
    const copy = new PromptBody(body.api, body.bytes);
    const told = [
      ...(watched.length > 0 && withHouseTexts(copy, texts(watched)) ? watched : []),
      ...(withHouseTexts(body, texts(enforced)) ? enforced : []),
    ];
    for (const { options: { name, mode, place } } of told) {
      trail.hit({ name, stage: "prompt", mode, action: place, channel: "system", choice: 0 });
    }
  }

  #textFor({ options, files }: SystemPromptConfig, { model, key, group }: Subject): HouseText {
    const now = this.now();
    const two = (part: number) => String(part).padStart(2, "0");
    const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
    const time = `${two(now.getHours())}:${two(now.getMinutes())}`;
    const text = (options.text ?? files.text_file ?? "").trimEnd();
    return { place: options.place, text: filledIn(text, { model, key, group, date, time }) };
  }

  /** `policies` with those of this kind that follow each other made one. */
  static joined(policies: readonly PromptPolicy[]): PromptPolicy[] {
    const joined: PromptPolicy[] = [];
    for (const policy of policies) {
      const last = joined.at(-1);
      if (policy instanceof SystemPromptPolicy && last instanceof SystemPromptPolicy) {
        joined[joined.length - 1] = new SystemPromptPolicy(
          [...last.configs, ...policy.configs],
          policy.now,
        );
      } else joined.push(policy);
    }
    return joined;
  }
}
