// Policies of type `parameters`: what requests get that do not say, what they may say at most, what they
// always get, and what they may not say. Numbers are read as vLLM reads them, from texts too.

import { isObject, type Json } from "../../json/json.ts";
import { ANSWER_LENGTHS, answerLengthName, answerLengthNames } from "./answer_length.ts";
import type { JsonPath } from "./json_splice.ts";
import type { PromptBody } from "./prompt_body.ts";

export interface ParameterRules {
  /** For fields that are missing or null. */
  readonly default: Json;
  readonly maximum: Readonly<Record<string, number>>;
  /** Whatever the request says; objects are merged. */
  readonly set: Json;
  readonly forbid: readonly string[];
  /** What is done with a field above its maximum, or a forbidden one. */
  readonly over: "clamp" | "reject";
}

/** What came of it; `param` and `message` where the request is refused. */
export type ParametersOutcome =
  | { readonly kind: "passed"; readonly changed: readonly string[] }
  | { readonly kind: "refused"; readonly param: string; readonly message: string };

/**
 * Holds the request to the rules. `room` is how many tokens the answer may have in what the prompt leaves
 * of the context, null where that is not known.
 */
export function applyParameters(
  body: PromptBody,
  rules: ParameterRules,
  room: number | null = null,
): ParametersOutcome {
  const { json } = body;
  const changes: Json = {};
  const now = (name: string) => name in changes ? changes[name] : json[name];
  for (const name of rules.forbid) {
    if (json[name] === undefined || json[name] === null) continue;
    if (rules.over === "reject") {
      return { kind: "refused", param: name, message: `\`${name}\` may not be used here` };
    }
    changes[name] = undefined;
  }
  for (const [name, value] of Object.entries(rules.default)) {
    const names = namesOf(body, name);
    if (names.some((one) => now(one) !== undefined && now(one) !== null)) continue;
    changes[nameFor(body, name)] = value;
  }
  for (const [name, most] of Object.entries(rules.maximum)) {
    const isLength = ANSWER_LENGTHS.includes(name);
    const bound = isLength && room !== null ? Math.max(1, Math.min(most, room)) : most;
    let isSaid = false;
    for (const one of namesOf(body, name)) {
      const value = now(one);
      if (value === undefined || value === null) continue;
      isSaid = true;
      const number = laxNumber(value);
      if (number !== null && number <= most) continue;
      if (rules.over === "reject") {
        const message = `\`${one}\` may be ${most} at most here, got ${quoted(value)}`;
        return { kind: "refused", param: one, message };
      }
      changes[one] = bound;
    }
    // Left out, an answer may take all of the context; of completions the usual is 16 tokens.
    if (isLength && !isSaid && body.api !== "completions") changes[nameFor(body, name)] = bound;
    if (!isLength) continue;
    const longest = Math.min(
      ...namesOf(body, name).map((one) => laxNumber(now(one)) ?? Infinity),
    );
    const least = laxNumber(now("min_tokens"));
    if (least !== null && least > longest) changes.min_tokens = longest;
  }
  const changed = new Set(Object.keys(changes));
  body.set(changes);
  for (const name of force(body, rules.set, [])) changed.add(name);
  return { kind: "passed", changed: [...changed] };
}

/** Sets what the rules force; the names of what was not so before. */
function force(body: PromptBody, wanted: Json, path: JsonPath): string[] {
  const changed: string[] = [];
  for (const [given, value] of Object.entries(wanted)) {
    const name = path.length === 0 && ANSWER_LENGTHS.includes(given) ? nameFor(body, given) : given;
    const before = at(body.json, [...path, name]);
    if (isObject(value) && isObject(before)) {
      changed.push(...force(body, value, [...path, name]).map((inner) => `${name}.${inner}`));
      continue;
    }
    if (path.length === 0 && ANSWER_LENGTHS.includes(given)) {
      const others = answerLengthNames(body.api).filter((one) => one !== name && one in body.json);
      body.set(Object.fromEntries(others.map((one) => [one, undefined])));
    }
    if (JSON.stringify(before) === JSON.stringify(value)) continue;
    body.set({ [name]: value }, path);
    changed.push(name);
  }
  return changed;
}

function at(json: Json, path: JsonPath): unknown {
  return path.reduce<unknown>(
    (value, step) => isObject(value) ? value[String(step)] : undefined,
    json,
  );
}

/** Where the request may say it; the lengths of answers have more names than one. */
function namesOf({ api }: PromptBody, name: string): readonly string[] {
  return ANSWER_LENGTHS.includes(name) ? answerLengthNames(api) : [name];
}

function nameFor({ api }: PromptBody, name: string): string {
  return ANSWER_LENGTHS.includes(name) ? answerLengthName(api) : name;
}

/** null for what is no number: nobody knows what a server makes of it. */
function laxNumber(value: unknown): number | null {
  if (value === true) return 1;
  if (value === false) return 0;
  if (typeof value === "string") {
    return /^\s*[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(value)
      ? Number(value.replaceAll("_", ""))
      : null;
  }
  return typeof value === "number" && !Number.isNaN(value) ? value : null;
}

function quoted(value: unknown): string {
  return JSON.stringify(value).slice(0, 50);
}
