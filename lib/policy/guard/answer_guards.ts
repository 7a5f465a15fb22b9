// The guards that look at the answers of one kind of request.

import type { PolicyServices } from "../services.ts";
import type { PolicyTrail } from "../trail.ts";
import type { GuardOptions } from "./guards.ts";
import { judged } from "./judge.ts";
import { type GuardText, PASS } from "./verdict.ts";

/** Of the request that is answered: its model, and the name of its caller's key. */
export interface AnsweredFor {
  readonly model: string;
  readonly key: string;
}

export class AnswerGuards {
  /** Characters of an answer that are looked at in one go. */
  readonly window: number;
  /** What is said goes out after they have seen it, or at once: none may end it, or by what it says next. */
  readonly releases: "after" | "first";

  private constructor(
    private readonly all: readonly GuardOptions[],
    private readonly subject: AnsweredFor,
    private readonly services: PolicyServices,
  ) {
    const isHeld = all.some(({ mode, release }) => mode === "enforce" && release === "after");
    this.releases = isHeld ? "after" : "first";
    this.window = Math.min(...all.map(({ window }) => window));
  }

  /** null where none of them looks at answers. */
  static of(
    all: readonly GuardOptions[],
    subject: AnsweredFor,
    services: PolicyServices,
  ): AnswerGuards | null {
    const own = all.filter(({ on }) => on !== "prompt");
    return own.length === 0 ? null : new AnswerGuards(own, subject, services);
  }

  /** Of the policies. */
  get names(): string[] {
    return this.all.map(({ name }) => name);
  }

  /** Whether some of them may end an answer. */
  get acts(): boolean {
    return this.all.some(({ mode }) => mode === "enforce");
  }

  looksAt(channel: string): boolean {
    return this.all.some((options) => isOf(options, channel));
  }

  /** What the client is told where one of them refuses; null where all let pass. */
  async judge(
    texts: readonly (GuardText & { choice: number })[],
    final: boolean,
    trail: PolicyTrail,
  ): Promise<{ message: string | null } | null> {
    const asked = (mode: "enforce" | "audit") =>
      Promise.all(
        this.all.filter((options) => options.mode === mode)
          .map((options) => this.#judged(options, texts, final, trail)),
      );
    if (this.all.some(({ mode }) => mode === "audit")) {
      trail.pending.push(asked("audit").then(() => {}));
    }
    for (const { verdict, options } of await asked("enforce")) {
      if (verdict.action === "pass" || verdict.action === "flag") continue;
      return { message: verdict.message ?? options.message ?? null };
    }
    return null;
  }

  async #judged(
    options: GuardOptions,
    texts: readonly (GuardText & { choice: number })[],
    final: boolean,
    trail: PolicyTrail,
  ) {
    const { name, mode, fail } = options;
    const guard = this.services.guardOf(name);
    const own = texts.filter(({ channel }) => isOf(options, channel))
      .map(({ role, channel, text }) => ({ role, channel, text }));
    if (guard === undefined || own.length === 0) return { verdict: PASS, options };
    const { model, key } = this.subject;
    const question = { stage: "answer", policy: name, model, key, texts: own, final } as const;
    const message = options.message ?? null;
    const began = performance.now();
    const { verdict, hit } = await judged({ name, mode, fail, message }, guard, question);
    trail.checked(name, "answer", performance.now() - began);
    if (hit !== null) {
      trail.hit({ name, stage: "answer", mode, action: hit.action, channel: "", choice: 0 });
      if (hit.fault !== "") trail.faults.push({ policy: name, reason: hit.fault });
    }
    return { verdict, options };
  }
}

function isOf({ channels }: GuardOptions, channel: string): boolean {
  return channels === undefined || channels.some((one) => one === channel);
}
