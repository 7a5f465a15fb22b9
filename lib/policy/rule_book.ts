// The rules on texts of one configuration, compiled once for all requests that the same policies are for. A
// list of 100,000 words takes its time: it is compiled in turns with what else there is to do, before it is
// in force where that can be foreseen. What a reload leaves as it is, is not compiled again.

import { CHANNELS } from "../config/policy_common.ts";
import type { PolicyConfig } from "../config/policies.ts";
import {
  AnswerRules,
  type RulesByChannel,
  rulesByChannel,
  type TextConfig,
} from "./answer/rules.ts";
import type { Alphabet } from "./text/alphabet.ts";
import { inTurns } from "./text/steps.ts";

/** What is there, or will be. */
export type Soon<T> = T | Promise<T>;

interface Entry<T> {
  readonly configs: readonly PolicyConfig[];
  rules: Soon<T>;
}

export class RuleBook {
  private readonly answers = new Map<string, Entry<AnswerRules | null>>();
  private readonly prompts = new Map<string, Entry<RulesByChannel>>();

  /** `before` is that of the configuration before; null where there was none. */
  constructor(private readonly alphabet: () => Alphabet, private before: RuleBook | null) {}

  /** What these policies look for in answers; null for nothing. */
  ofAnswers(configs: readonly PolicyConfig[]): Soon<AnswerRules | null> {
    const steps = () => AnswerRules.inSteps(configs, this.alphabet);
    return entryOf(this.answers, this.before?.answers, configs, steps);
  }

  /** What this policy looks for in prompts. */
  ofPrompts(config: TextConfig): Soon<RulesByChannel> {
    const steps = () => rulesByChannel([config], CHANNELS, this.alphabet);
    return entryOf(this.prompts, this.before?.prompts, [config], steps);
  }

  /** All is compiled that is foreseen: what was before may be forgotten. */
  close(): void {
    this.before = null;
  }
}

function entryOf<T>(
  entries: Map<string, Entry<T>>,
  before: Map<string, Entry<T>> | undefined,
  configs: readonly PolicyConfig[],
  steps: () => Generator<void, T>,
): Soon<T> {
  const id = configs.map(({ options }) => options.name).join(" ");
  const known = entries.get(id);
  if (known !== undefined) return known.rules;
  const same = before?.get(id);
  if (same !== undefined && isSame(same.configs, configs)) {
    entries.set(id, same);
    return same.rules;
  }
  const entry: Entry<T> = { configs, rules: inTurns(steps()) };
  entries.set(id, entry);
  const made = entry.rules as Promise<T>;
  made.then((rules) => entry.rules = rules, () => entries.delete(id));
  return made;
}

/** Whether two configurations of policies say the same. */
export function isSame(a: readonly PolicyConfig[], b: readonly PolicyConfig[]): boolean {
  return a.length === b.length && a.every((one, at) => isSamePolicy(one, b[at]));
}

/** Files are compared as they are: they may be long. */
function isSamePolicy(a: PolicyConfig, b: PolicyConfig): boolean {
  const names = Object.keys(a.files);
  return names.length === Object.keys(b.files).length &&
    names.every((name) => a.files[name] === b.files[name]) &&
    JSON.stringify(a.options) === JSON.stringify(b.options);
}
