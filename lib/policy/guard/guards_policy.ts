// Guards in a request's way. They are asked at the same time; where one writes a text otherwise, those behind
// it look at what it wrote.

import type { GuardOptions } from "./guards.ts";
import { type Asking, PolicyRefusal, type PromptPolicy } from "../policy.ts";
import type { PolicyServices } from "../services.ts";
import { judged, type Judgement } from "./judge.ts";
import { type PromptTexts, promptTexts } from "./prompt_texts.ts";
import { GuardFault, type Verdict } from "./verdict.ts";

export class GuardsPolicy implements PromptPolicy {
  readonly turn = "guards";
  readonly name: string;

  /** In the order of the file. */
  constructor(
    private readonly all: readonly GuardOptions[],
    private readonly services: PolicyServices,
  ) {
    this.name = all.map(({ name }) => name).join(" ");
  }

  async ask(asking: Asking): Promise<void> {
    let left = this.all;
    while (left.length > 0) {
      const verdicts = await Promise.all(left.map((options) => this.#judged(options, asking)));
      const writer = verdicts.findIndex((verdict) => this.#take(verdict, asking));
      left = writer < 0 ? [] : left.slice(writer + 1);
    }
  }

  async #judged(options: GuardOptions, { body, subject, trail }: Asking): Promise<Judged> {
    const found = promptTexts(body, options.channels);
    const { name, mode, fail } = options;
    const message = options.message ?? null;
    const guard = this.services.guardOf(name) ?? {
      judge: () => Promise.reject(new GuardFault("out", "not loaded")),
      close() {},
    };
    const texts = found.texts.map(({ role, channel, text }) => ({ role, channel, text }));
    const { model, key } = subject;
    const question = { stage: "prompt", policy: name, model, key, texts, final: true } as const;
    const began = performance.now();
    const judgement = await judged({ name, mode, fail, message }, guard, question);
    trail.checked(name, "prompt", performance.now() - began);
    return { options, found, judgement };
  }

  /** Whether the verdict has changed the request. Throws PolicyRefusal. */
  #take({ options, found, judgement }: Judged, { body, trail }: Asking): boolean {
    const { name, mode } = options;
    const hit = { name, stage: "prompt", mode, channel: "", choice: 0 } as const;
    if (found.unscannable.length > 0) {
      trail.unscanned.push({ policy: name, reason: found.unscannable.join(", ") });
      if (options.unscannable === "reject") {
        trail.hit({ ...hit, action: "reject" });
        const what = found.unscannable.join(", ");
        if (mode === "enforce") {
          throw new PolicyRefusal(name, `Policy \`${name}\` cannot look into ${what}.`);
        }
      }
    }
    if (judgement.hit !== null) {
      trail.hit({ ...hit, action: judgement.hit.action });
      if (judgement.hit.fault !== "") {
        trail.faults.push({ policy: name, reason: judgement.hit.fault });
      }
    }
    const { verdict } = judgement;
    if (verdict.action === "pass" || verdict.action === "flag") return false;
    if (verdict.action === "reject" || verdict.action === "cut") {
      throw new PolicyRefusal(name, verdict.message ?? options.message ?? null);
    }
    const changes = changesOf(found, verdict);
    body.put(changes);
    return changes.length > 0;
  }

  /** `policies` with those of this kind that follow each other made one. */
  static joined(policies: readonly PromptPolicy[]): PromptPolicy[] {
    const joined: PromptPolicy[] = [];
    for (const policy of policies) {
      const last = joined.at(-1);
      if (policy instanceof GuardsPolicy && last instanceof GuardsPolicy) {
        joined[joined.length - 1] = new GuardsPolicy(
          [...last.all, ...policy.all],
          policy.services,
        );
      } else joined.push(policy);
    }
    return joined;
  }
}

interface Judged {
  readonly options: GuardOptions;
  readonly found: PromptTexts;
  readonly judgement: Judgement;
}

function changesOf({ texts }: PromptTexts, verdict: Verdict) {
  if (verdict.action === "pass" || verdict.texts === null) return [];
  const written = verdict.texts;
  return texts.flatMap(({ path, text }, at) =>
    written[at] === text ? [] : [{ path, value: written[at] }]
  );
}
