// Policies that look for something in what is asked: words, patterns, personal data, secrets.

import type { RulesByChannel, TextConfig } from "../answer/rules.ts";
import type { Placeholders } from "../placeholders.ts";
import { type Asking, PolicyRefusal, type PromptPolicy, type Turn } from "../policy.ts";
import type { RuleBook } from "../rule_book.ts";
import type { JsonPath } from "./json_splice.ts";
import { readWhole } from "../text/read_whole.ts";
import { type PromptText, promptTexts } from "./prompt_texts.ts";

export class TextFilter implements PromptPolicy {
  readonly turn: Turn = "filters";

  constructor(
    private readonly config: TextConfig,
    private readonly book: RuleBook,
    private readonly placeholders: Placeholders,
  ) {}

  async prepare(): Promise<void> {
    await this.book.ofPrompts(this.config);
  }

  get name(): string {
    return this.config.options.name;
  }

  ask(asking: Asking): void | Promise<void> {
    const rules = this.book.ofPrompts(this.config);
    return rules instanceof Promise
      ? rules.then((made) => this.#look(asking, made))
      : this.#look(asking, rules);
  }

  #look(asking: Asking, rules: RulesByChannel): void {
    const { body, trail } = asking;
    const { options } = this.config;
    const { texts, unseen } = promptTexts(body.api, body.json);
    const isEnforced = options.mode === "enforce";
    if (unseen.length > 0) {
      const reason = unseen.join(", ");
      trail.unscanned.push({ policy: options.name, reason });
      const refuses = isEnforced && options.action !== "flag" &&
        options.unscannable === "reject";
      if (refuses) {
        throw new PolicyRefusal(
          options.name,
          `Policy \`${options.name}\` cannot read \`${unseen[0]}\`; send it as text.`,
          unseen[0],
          "unscannable",
        );
      }
    }
    const changes: { path: JsonPath; value: unknown }[] = [];
    for (const text of texts) {
      const changed = this.#read(asking, text, rules);
      if (changed === null) continue;
      // The name of a field: written otherwise, the request would be another one.
      if (text.path === null) this.#refuse();
      changes.push({ path: text.path, value: changed });
    }
    if (this.#crosses(texts, asking, rules)) this.#refuse();
    body.put(changes);
  }

  /** The text as it is sent; null where it stays. */
  #read(
    { subject, trail }: Asking,
    { channel, text, isJson }: PromptText,
    byChannel: RulesByChannel,
  ): string | null {
    const rules = byChannel[channel] ?? null;
    if (rules === null) return null;
    const { options } = this.config;
    const own = this.placeholders.within(rules, options, subject.key, trail);
    const read = readWhole(
      own,
      text,
      isJson,
      ({ mode, said }) =>
        trail.hit({ name: options.name, stage: "prompt", mode, action: said, channel, choice: 0 }),
    );
    if (read.cutBy !== null) this.#refuse();
    return read.isChanged ? read.text : null;
  }

  /** Whether something stands over two parts of one message, of which none holds it by itself. */
  #crosses(
    texts: readonly PromptText[],
    { trail }: Asking,
    byChannel: RulesByChannel,
  ): boolean {
    const { name, mode, action } = this.config.options;
    const byMessage = Map.groupBy(texts, ({ message, channel }) => `${message} ${channel}`);
    for (const parts of byMessage.values()) {
      const rules = byChannel[parts[0].channel] ?? null;
      if (parts.length < 2 || rules === null) continue;
      const count = (text: string) => {
        let hits = 0;
        readWhole(rules, text, false, () => hits++);
        return hits;
      };
      const apart = parts.reduce((sum, { text }) => sum + count(text), 0);
      for (const between of ["", " "]) {
        if (count(parts.map(({ text }) => text).join(between)) <= apart) continue;
        const { channel } = parts[0];
        trail.hit({ name, stage: "prompt", mode, action, channel, choice: 0 });
        if (mode === "enforce" && action !== "flag") return true;
        break;
      }
    }
    return false;
  }

  #refuse(): never {
    const { name, message } = this.config.options;
    throw new PolicyRefusal(name, message ?? null);
  }
}
