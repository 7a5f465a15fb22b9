// The policies of one snapshot: made once from its options, then chosen for each request by what it is.

import type { PolicyConfig } from "../config/policies.ts";
import { type AnswerRules, isText } from "./answer/rules.ts";
import { AnswerGuards } from "./guard/answer_guards.ts";
import { isGuard } from "./guard/guards.ts";
import { joined, promptPolicyOf } from "./kinds.ts";
import { Alphabet } from "./text/alphabet.ts";
import { Placeholders } from "./placeholders.ts";
import type { PolicyTrail } from "./trail.ts";
import { type Plan, type PromptPolicy, type Subject, TURNS } from "./policy.ts";
import { RuleBook, type Soon } from "./rule_book.ts";
import type { PolicyServices } from "./services.ts";
import { matches } from "../config/names.ts";

/** Plans that are kept; a client may ask for any number of models, but few are there. */
const MAX_PLANS = 1000;

interface Compiled {
  readonly config: PolicyConfig;
  readonly prompt: PromptPolicy | null;
}

export class Policies {
  readonly #all: readonly Compiled[];
  #alphabet: Alphabet | null = null;
  /** By what they are chosen by; promises of those whose rules are being compiled. */
  readonly #plans = new Map<string, { subject: Subject; plan: Soon<Plan | null> }>();
  readonly #book: RuleBook;

  /** Of those `before` what is the same is taken over. */
  constructor(
    readonly configs: readonly PolicyConfig[],
    private readonly services: PolicyServices,
    before: Policies | null = null,
  ) {
    const book = this.#book = new RuleBook(this.#alphabetOf, before === null ? null : before.#book);
    this.#all = configs.map((config) => ({
      config,
      prompt: promptPolicyOf(config, services, this.#alphabetOf, book),
    }));
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** What puts personal data back into an answer, where `trail` has placeholders for some; else null. */
  restoring(trail: PolicyTrail): AnswerRules | null {
    return new Placeholders(this.#alphabetOf).restoring(trail);
  }

  /** What is in force for `subject`; null for nothing. */
  planFor(subject: Subject): Soon<Plan | null> {
    if (this.#all.length === 0) return null;
    const { model, orModels = [], key, group, route } = subject;
    const id = [model, key, group, route, ...orModels].join("\n");
    const known = this.#plans.get(id);
    if (known !== undefined) return known.plan;
    if (this.#plans.size >= MAX_PLANS) this.#plans.clear();
    const plan = this.#planFor(subject);
    const kept = { subject, plan };
    this.#plans.set(id, kept);
    if (plan instanceof Promise) {
      plan.then((made) => kept.plan = made, () => this.#plans.delete(id));
    }
    return plan;
  }

  /** What requests have been about lately. */
  get subjects(): Subject[] {
    return Array.from(this.#plans.values(), ({ subject }) => subject);
  }

  /** Compiles what requests about `subjects` need, in turns with what else there is to do. */
  async prepare(subjects: readonly Subject[]): Promise<void> {
    try {
      for (const { prompt } of this.#all) await prompt?.prepare?.();
      for (const subject of subjects) await this.planFor(subject);
    } finally {
      this.#book.close();
    }
  }

  /** What the model that a request names is called here; null where that is its name. */
  renamed(subject: Subject): string | null {
    for (const { config } of this.#all) {
      const { options } = config;
      if (options.type !== "rewrite" || options.mode === "audit") continue;
      if (!Object.hasOwn(options.rename, subject.model) || !isFor(config, subject)) continue;
      return options.rename[subject.model];
    }
    return null;
  }

  #planFor(subject: Subject): Soon<Plan | null> {
    const own = this.#all.filter(({ config }) => isFor(config, subject));
    const inTurn = own.flatMap((one) => one.prompt === null ? [] : [one.prompt])
      .sort((a, b) => TURNS.indexOf(a.turn) - TURNS.indexOf(b.turn));
    const prompt = joined(inTurn);
    const all = own.map(({ config }) => config.options).filter(isGuard);
    const guards = AnswerGuards.of(all, subject, this.services);
    const planWith = (answer: AnswerRules | null): Plan | null => {
      const isEmpty = prompt.length === 0 && answer === null && guards === null;
      return isEmpty ? null : { prompt, answer, guards };
    };
    const looking = own.map(({ config }) => config)
      .filter((config) => isText(config) && config.options.on !== "prompt");
    if (looking.length === 0) return planWith(null);
    const answer = this.#book.ofAnswers(looking);
    return answer instanceof Promise ? answer.then(planWith) : planWith(answer);
  }

  /** Made where words are looked for. */
  readonly #alphabetOf = (): Alphabet => this.#alphabet ??= new Alphabet();
}

function isFor({ options }: PolicyConfig, subject: Subject): boolean {
  const { model, orModels = [], key, group, route } = subject;
  const { models, keys, groups, routes } = options;
  return [model, ...orModels].some((one) => isAmong(models, one)) && isAmong(keys, key) &&
    isAmong(groups, group) &&
    isAmong(routes, route);
}

/** A list without names is for all. */
function isAmong(patterns: readonly string[], name: string): boolean {
  return patterns.length === 0 || patterns.some((pattern) => matches(pattern, name));
}
