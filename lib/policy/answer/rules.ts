// What is looked for in texts by a set of policies, ready for any number of requests: for prompts and for
// answers, since some look at one of the two alone.

import type { OptionsOf, PolicyConfig } from "../../config/policies.ts";
import type { PolicyChannel } from "../../config/policy_common.ts";
import type { Channel } from "../../api/dialect.ts";
import type { Alphabet } from "../text/alphabet.ts";
import type { Phrases } from "../text/automaton.ts";
import { atOnce } from "../text/steps.ts";
import { automatonInSteps } from "../text/automaton_build.ts";
import { type OwnedExpression, runKindsOf } from "../find/run_kinds.ts";
import { patternRun } from "../find/patterns.ts";
import { PERSONAL_DATA } from "../find/personal.ts";
import { SECRETS } from "../find/secrets.ts";
import type { RunKind } from "../text/finder.ts";
import { acts, type TextRule, type TextRules } from "../text/rules.ts";
import { Units } from "./shape.ts";

/** Policies that look for something in texts. */
export type TextOptions = OptionsOf<"words" | "patterns" | "pii" | "secrets">;
export type TextConfig = PolicyConfig<TextOptions>;

export function isText(config: PolicyConfig): config is TextConfig {
  return ["words", "patterns", "pii", "secrets"].includes(config.options.type);
}

/** Rules of texts by channel; null where nothing looks at one. */
export type RulesByChannel = Readonly<Partial<Record<PolicyChannel, TextRules | null>>>;

/** The channels of an answer, by what they are called in the configuration. */
export const ANSWER_CHANNELS: Readonly<Record<Channel, PolicyChannel>> = {
  content: "content",
  reasoning: "reasoning",
  arguments: "tool_arguments",
};

/** free: any text. json: JSON, by a schema or any. fixed: by another grammar, a list, an expression. */
export type AnswerForm = "free" | "json" | "fixed";

export class AnswerRules {
  #inForms = new Map<AnswerForm, AnswerRules>();
  #names: readonly string[] | null = null;
  /** For the text of the event at hand: one for all streams is where the processor has it near. */
  readonly units = new Units();

  private constructor(
    readonly byChannel: RulesByChannel,
    /** Whether clients are told of what these policies did. */
    readonly exposed: ReadonlySet<string>,
    /** What a client is told where an answer is cut, by policy. */
    readonly messages: ReadonlyMap<string, string>,
    /** Nobody is harmed by what they miss. */
    readonly isHarmless = false,
    readonly form: AnswerForm = "free",
  ) {}

  /** null where none of the policies looks at answers. */
  static of(configs: readonly PolicyConfig[], alphabet: () => Alphabet): AnswerRules | null {
    return atOnce(AnswerRules.inSteps(configs, alphabet));
  }

  /** The same step by step: long lists of words take their time. */
  static *inSteps(
    configs: readonly PolicyConfig[],
    alphabet: () => Alphabet,
  ): Generator<void, AnswerRules | null> {
    const own = configs.filter(isText).filter(({ options }) => options.on !== "prompt");
    if (own.length === 0) return null;
    const byChannel = yield* rulesByChannel(own, Object.values(ANSWER_CHANNELS), alphabet);
    const exposed = own.filter(({ options }) => options.expose).map(({ options }) => options.name);
    const messages = own.flatMap(({ options: { name, message } }): [string, string][] =>
      message === undefined ? [] : [[name, message]]
    );
    return new AnswerRules(byChannel, new Set(exposed), new Map(messages));
  }

  /** The same rules for all that is said, for the client's convenience. */
  static forAll(rules: TextRules): AnswerRules {
    const byChannel = { content: rules, reasoning: rules, tool_arguments: rules };
    return new AnswerRules(byChannel, new Set(), new Map(), true);
  }

  /** The same for answers of that form, in which nothing is written otherwise unless a policy says so. */
  inForm(form: AnswerForm): AnswerRules {
    if (form === this.form) return this;
    let same = this.#inForms.get(form);
    if (same !== undefined) return same;
    const { byChannel: { content, ...others }, exposed, messages, isHarmless } = this;
    const cutting = content && !isHarmless
      ? { ...content, rules: content.rules.map(cutInForm) }
      : content;
    const byChannel = { ...others, content: cutting };
    same = new AnswerRules(byChannel, exposed, messages, isHarmless, form);
    this.#inForms.set(form, same);
    return same;
  }

  /** Of the policies. */
  get names(): readonly string[] {
    return this.#names ??= this.#namesInAll();
  }

  #namesInAll(): readonly string[] {
    const all = Object.values(this.byChannel).flatMap((rules) => rules?.rules ?? []);
    return [...new Set(all.map(({ name }) => name))];
  }

  /** Whether what is said there is JSON, in which escapes stand for characters. */
  isJson(channel: Channel): boolean {
    return channel === "arguments" || (channel === "content" && this.form === "json");
  }

  /** Whether some of them change answers. */
  get acts(): boolean {
    return Object.values(this.byChannel).some((rules) => rules?.rules.some(acts));
  }

  rulesFor(channel: Channel): TextRules | null {
    return this.byChannel[ANSWER_CHANNELS[channel]] ?? null;
  }
}

function cutInForm(rule: TextRule): TextRule {
  const isWritten = rule.action === "mask" || rule.action === "replace";
  return !isWritten || rule.keepsForm ? rule : { ...rule, action: "cut", said: "cut" };
}

/** Compiled once for all channels that the same policies look at, step by step. */
export function* rulesByChannel(
  configs: readonly TextConfig[],
  channels: readonly PolicyChannel[],
  alphabet: () => Alphabet,
): Generator<void, RulesByChannel> {
  const compiled = new Map<string, TextRules | null>();
  const found: Partial<Record<PolicyChannel, TextRules | null>> = {};
  for (const channel of channels) {
    const own = configs.filter(({ options }) => looksAt(options, channel));
    const id = own.map(({ options }) => options.name).join(" ");
    let rules = compiled.get(id);
    if (rules === undefined) compiled.set(id, rules = yield* compile(own, alphabet));
    found[channel] = rules;
  }
  return found;
}

function looksAt({ channels }: TextOptions, channel: PolicyChannel): boolean {
  return channels === undefined ? channel !== "tool_definitions" : channels.includes(channel);
}

function* compile(
  configs: readonly TextConfig[],
  alphabet: () => Alphabet,
): Generator<void, TextRules | null> {
  if (configs.length === 0) return null;
  const rules = configs.map(({ options }) => ruleOf(options));
  const lists = configs.flatMap((config, owner): Phrases[] =>
    config.options.type === "words"
      ? [{
        phrases: wordsOf(config),
        owner,
        holds: acts(rules[owner]),
        wholeWords: rules[owner].wholeWords,
      }]
      : []
  );
  const automaton = lists.length === 0 ? null : yield* automatonInSteps(lists, alphabet());
  return { rules, automaton, runs: runsOf(configs, rules) };
}

function runsOf(configs: readonly TextConfig[], rules: readonly TextRule[]): RunKind[] {
  const expressions: OwnedExpression[] = [];
  const runs: RunKind[] = [];
  for (const [owner, { options }] of configs.entries()) {
    const own = { owner, acts: acts(rules[owner]) };
    switch (options.type) {
      case "pii":
        for (const name of options.find) {
          expressions.push({ ...own, expression: PERSONAL_DATA[name] });
        }
        break;
      case "secrets":
        for (const expression of SECRETS) expressions.push({ ...own, expression });
        break;
      case "patterns":
        for (const pattern of options.patterns) {
          const { ignore_case: ignoreCase, max_length: maxLength = null } = options;
          runs.push(patternRun({ ...own, pattern, ignoreCase, maxLength }));
        }
    }
  }
  return [...runKindsOf(expressions), ...runs];
}

function ruleOf(options: TextOptions): TextRule {
  const { replacement } = options;
  return {
    name: options.name,
    mode: options.mode,
    action: options.action === "reject" ? "cut" : options.action,
    said: options.action,
    wholeWords: options.type === "words" && options.whole_words,
    keepsForm: options.in_schema === "same",
    replacement: (_, kind) => replacement ?? `[${kind}]`,
  };
}

/** Those of the options, and those of the file: one on each line. */
function* wordsOf({ options, files }: TextConfig): Generator<string> {
  if (options.type === "words") yield* options.words;
  const text = files.file ?? "";
  for (let from = 0; from < text.length;) {
    const next = text.indexOf("\n", from);
    const end = next < 0 ? text.length : next;
    const line = text.slice(from, end).trim();
    if (line !== "" && !line.startsWith("#")) yield line;
    from = end + 1;
  }
}
