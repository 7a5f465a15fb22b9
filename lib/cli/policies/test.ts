// Policies tried on conversations that were recorded, or on a text: what each would do, how long it takes,
// what it saves.

import type { Config } from "../../config/config.ts";
import { upstreamName } from "../../config/names.ts";
import { lengthNow } from "../../observe/packed_file.ts";
import { within } from "../../http/within.ts";
import { filteredBody } from "../../policy/answer/whole.ts";
import { AnswerGate } from "../../policy/guard/answer_gate.ts";
import { GuardFault } from "../../policy/guard/verdict.ts";
import { Guards } from "../../policy/guard/guards.ts";
import { postJson } from "../../policy/guard/post.ts";
import { Policies } from "../../policy/policies.ts";
import { type Plan, PolicyRefusal, type Subject } from "../../policy/policy.ts";
import { PromptBody } from "../../policy/prompt/prompt_body.ts";
import { PolicyTrail } from "../../policy/trail.ts";
import { recordLines } from "../../record/export/lines.ts";
import { metaIn } from "../../record/meta_in.ts";
import { PromptCounters } from "../../server/questions/prompt_counter.ts";
import { type Json, objectsIn } from "../../json/json.ts";
import { recordFiles } from "../record_files.ts";
import { UsageError } from "../command/read.ts";
import { table } from "./list.ts";
import { amount } from "../amount.ts";

/** One conversation, as it would be asked. */
export interface Sample {
  readonly id: string;
  readonly model: string;
  readonly key: string;
  readonly group: string;
  readonly body: Json;
  /** What was answered, as a message; null where that is not known. */
  readonly answer: Json | null;
}

/** What one policy did, in one way. */
export interface Deed {
  readonly policy: string;
  readonly stage: string;
  readonly mode: string;
  readonly action: string;
  count: number;
  /** Ids of some samples. */
  readonly examples: string[];
}

export interface Tried {
  readonly samples: number;
  readonly refused: number;
  readonly changed: number;
  /** Answers that were looked at, that would have been cut, and written otherwise. */
  readonly answers: { readonly seen: number; readonly cut: number; readonly changed: number };
  readonly deeds: readonly Deed[];
  /** Milliseconds of all policies for one sample. */
  readonly ms: { readonly mean: number; readonly worst: number };
  /** Tokens by estimate, fewer than were asked; below 0 for more. */
  readonly tokensSaved: number;
}

const ROUTE = "/v1/chat/completions";
const EXAMPLES = 3;
const PROBE_MS = 3000;

export function textSample(text: string, model: string, key: string): Sample {
  const body = { model, messages: [{ role: "user", content: text }] };
  // Who tries a text wants to know of both ways.
  return { id: "TEXT", model, key, group: "", body, answer: { role: "assistant", content: text } };
}

/** The conversations in files of records, or folders of these, of either format. Throws UsageError for one that is not there. */
export async function* samplesOf(files: readonly string[]): AsyncGenerator<Sample> {
  for (const file of await recordFiles(files)) {
    for await (const record of recordLines(file, await lengthOf(file))) {
      const sample = record === null ? null : sampleOf(record as Json);
      if (sample !== null) yield sample;
    }
  }
}

async function lengthOf(file: string): Promise<number> {
  try {
    return await lengthNow(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new UsageError(`${file} does not exist`);
    throw error;
  }
}

const ROLES: Readonly<Record<string, string>> = {
  system: "system",
  human: "user",
  gpt: "assistant",
  function_call: "assistant",
  observation: "tool",
};

/** What was asked, and what was answered last. */
export function sampleOf(record: Json): Sample | null {
  const messages = Array.isArray(record.messages)
    ? objectsIn(record.messages)
    : objectsIn(record.conversations).map(({ from, value }) => ({
      role: ROLES[String(from)] ?? "user",
      content: value,
    }));
  const last = messages.at(-1);
  const asked = last?.role === "assistant" ? messages.slice(0, -1) : messages;
  if (asked.length === 0) return null;
  const model = typeof record.model === "string" ? record.model : "";
  const meta = metaIn(record);
  const text = (value: unknown) => typeof value === "string" ? value : "";
  return {
    id: text(record.id),
    model,
    key: text(meta.key),
    group: text(meta.group),
    body: { model, messages: asked },
    answer: last?.role === "assistant" ? last : null,
  };
}

/** Lets the policies of `config` look at each sample. */
export async function tried(
  config: Config,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
): Promise<Tried> {
  const counters = new PromptCounters(() => Promise.resolve(null));
  const guards = new Guards({
    module: Deno.mainModule,
    askModel: (model, body, ms) => askDirectly(config, model, body, ms),
    onError: (error) => console.error(error.message),
  });
  guards.apply(config.policies);
  const policies = new Policies(config.policies, {
    counterOf: (model) => counters.of(model),
    contextOf: (model) => contextIn(config, model),
    askModel: (model, body, ms) => askDirectly(config, model, body, ms),
    guardOf: (name) => guards.get(name),
    now: () => new Date(),
  });
  try {
    // Loading an isolate is no part of a call's time.
    await within(PROBE_MS, guards.ready(), null);
    await policies.prepare([]);
    return await all(policies, samples, (body, model) => counters.of(model).estimate(body));
  } finally {
    guards.close();
  }
}

async function all(
  policies: Policies,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  tokensOf: (body: PromptBody, model: string) => number,
): Promise<Tried> {
  const deeds = new Map<string, Deed>();
  let looked = 0;
  let refused = 0;
  let changed = 0;
  const answers = { seen: 0, cut: 0, changed: 0 };
  let totalMs = 0;
  let worst = 0;
  let tokensSaved = 0;
  for await (const sample of samples) {
    looked++;
    const one = await lookedAt(policies, sample, tokensOf);
    totalMs += one.ms;
    worst = Math.max(worst, one.ms);
    if (one.isRefused) refused++;
    if (one.isChanged) changed++;
    tokensSaved += one.tokensSaved;
    if (one.answer !== null) {
      answers.seen++;
      if (one.answer !== "same") answers[one.answer]++;
    }
    for (const { name, stage, mode, action, count } of one.trail.hits) {
      const place = `${name} ${stage} ${mode} ${action}`;
      const deed = deeds.get(place) ??
        { policy: name, stage, mode, action, count: 0, examples: [] };
      deed.count += count;
      const { examples } = deed;
      if (examples.length < EXAMPLES && !examples.includes(sample.id)) examples.push(sample.id);
      deeds.set(place, deed);
    }
  }
  const mean = looked === 0 ? 0 : totalMs / looked;
  return {
    samples: looked,
    refused,
    changed,
    answers,
    deeds: [...deeds.values()],
    ms: { mean: rounded(mean), worst: rounded(worst) },
    tokensSaved: Math.round(tokensSaved),
  };
}

/** What the policies do to one sample, and how long it takes them. */
async function lookedAt(
  policies: Policies,
  sample: Sample,
  tokensOf: (body: PromptBody, model: string) => number,
) {
  const { model, body, answer } = sample;
  const subject = subjectOf(sample);
  const prompt = new PromptBody("chat", new TextEncoder().encode(JSON.stringify(body)));
  const before = tokensOf(prompt, model);
  const trail = new PolicyTrail();
  // Compiled for the first of a kind, which is no part of its time.
  const plan = await policies.planFor(subject);
  const began = performance.now();
  let isRefused = false;
  try {
    for (const policy of plan?.prompt ?? []) await policy.ask({ subject, body: prompt, trail });
  } catch (error) {
    if (!(error instanceof PolicyRefusal)) throw error;
    isRefused = true;
  }
  const became = answer === null || plan === null ? null : await answered(plan, answer, trail);
  const ms = performance.now() - began;
  await Promise.all(trail.pending);
  return {
    isRefused,
    isChanged: !isRefused && prompt.isChanged,
    /** What became of its answer; null where none was looked at. */
    answer: became,
    tokensSaved: isRefused ? 0 : before - tokensOf(prompt, model),
    ms,
    trail,
  };
}

function subjectOf({ model, key, group }: Sample): Subject {
  return { model, key, group, route: ROUTE };
}

/** What the policies on answers make of one that was given. */
async function answered(
  plan: Plan,
  message: Json,
  trail: PolicyTrail,
): Promise<"same" | "cut" | "changed"> {
  const choice = { index: 0, message, finish_reason: "stop" };
  const body = new TextEncoder().encode(JSON.stringify({ choices: [choice] }));
  const filtered = plan.answer === null
    ? { body, isOver: false }
    : filteredBody(plan.answer, "chat", body, trail);
  if (filtered.isOver) return "cut";
  if (plan.guards !== null) {
    const asked = { api: "chat", choices: 1, tellsUsage: false, usage: () => null } as const;
    const gate = new AnswerGate(plan.guards, asked, trail, 0);
    await gate.whole(filtered.body);
    if (gate.isOver) return "cut";
  }
  return filtered.body === body ? "same" : "changed";
}

/** Lines for people. */
export function report(
  { samples, refused, changed, answers, deeds, ms, tokensSaved }: Tried,
): string[] {
  const saved = tokensSaved >= 0 ? `${tokensSaved} saved` : `${-tokensSaved} added`;
  return [
    `${samples} looked at: ${refused} refused, ${changed} changed`,
    `${
      amount(answers.seen, "answer")
    }: ${answers.cut} would have been cut, ${answers.changed} changed`,
    `${ms.mean} ms each, ${ms.worst} ms at most; about ${saved} tokens`,
    ...(deeds.length === 0 ? ["no policy acted"] : table([
      ["POLICY", "ON", "MODE", "ACTION", "COUNT", "EXAMPLES"],
      ...deeds.map(({ policy, stage, mode, action, count, examples }) => [
        policy,
        stage,
        mode,
        action,
        String(count),
        examples.join(" "),
      ]),
    ])),
  ];
}

function contextIn({ instances }: Config, model: string): number | null {
  const lengths = instances.filter(({ models }) => models.includes(model))
    .flatMap(({ maxContext }) => maxContext ?? []);
  return lengths.length === 0 ? null : Math.max(...lengths);
}

/** The first instance of the model that there is. */
async function askDirectly({ instances }: Config, model: string, body: Json, timeoutMs: number) {
  const instance = instances.find(({ models }) => models.includes(model));
  if (instance === undefined) throw new GuardFault("error", `no instance of \`${model}\``);
  const { origin, pathPrefix, apiKey } = instance;
  const headers: Record<string, string> = apiKey === null
    ? {}
    : { authorization: `Bearer ${apiKey}` };
  const asked = JSON.stringify({ ...body, model: upstreamName(instance, model) });
  return await postJson(`${origin}${pathPrefix}${ROUTE}`, headers, asked, timeoutMs);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
