// What a guard is asked and what it may answer: a plugin's or webhook's word, read with suspicion.

import { isObject } from "../../json/json.ts";

export type GuardStage = "prompt" | "answer";

/** A text that a guard looks at. */
export interface GuardText {
  readonly role: string;
  readonly channel: string;
  readonly text: string;
}

export interface GuardQuestion {
  readonly stage: GuardStage;
  readonly policy: string;
  readonly model: string;
  /** Name of the caller's key; "" where callers are not known. */
  readonly key: string;
  readonly texts: readonly GuardText[];
  /** Nothing of the answer follows; always true of a prompt. */
  readonly final: boolean;
}

const GUARD_ACTIONS = ["reject", "cut", "mask", "replace", "flag"] as const;
export type GuardAction = typeof GUARD_ACTIONS[number];

export type Verdict =
  | { readonly action: "pass" }
  | {
    readonly action: GuardAction;
    /** For the client. */
    readonly message: string | null;
    /** In place of those that were asked about, one for each; null where they stay. */
    readonly texts: readonly string[] | null;
  };

export type GuardFaultReason = "timeout" | "error" | "nonsense" | "too_large" | "out" | "busy";

/** A guard that gave no verdict; `fail` of its policy decides. */
export class GuardFault extends Error {
  override readonly name = "GuardFault";
  constructor(readonly reason: GuardFaultReason, message: string) {
    super(message);
  }
}

export const PASS: Verdict = { action: "pass" };
const MAX_MESSAGE_CHARS = 1000;

/** Reads what a guard answered to `asked` texts. Throws GuardFault where that is no verdict. */
export function readVerdict(answer: unknown, asked: number): Verdict {
  if (answer === "pass" || answer === undefined || answer === null) return PASS;
  if (!isObject(answer)) throw nonsense(`expected "pass" or { action }, got ${kindOf(answer)}`);
  const { action, message, texts } = answer;
  if (action === "pass") return PASS;
  if (!isAction(action)) {
    throw nonsense(`expected an action of pass, ${GUARD_ACTIONS.join(", ")}`);
  }
  if (message !== undefined && message !== null && typeof message !== "string") {
    throw nonsense(`expected \`message\` to be a text, got ${kindOf(message)}`);
  }
  return {
    action,
    message: typeof message === "string" ? message.slice(0, MAX_MESSAGE_CHARS) : null,
    texts: textsIn(texts, action, asked),
  };
}

function textsIn(texts: unknown, action: GuardAction, asked: number): readonly string[] | null {
  const needs = action === "mask" || action === "replace";
  if (texts === undefined || texts === null) {
    if (needs) throw nonsense(`\`${action}\` needs \`texts\`, one for each that was given`);
    return null;
  }
  const list = Array.isArray(texts)
    ? texts.map((one) => isObject(one) ? one.text : one)
    : undefined;
  if (list === undefined || !list.every((one) => typeof one === "string")) {
    throw nonsense("expected `texts` to be a list of texts");
  }
  if (list.length !== asked) {
    throw nonsense(`expected ${asked} \`texts\`, one for each that was given, got ${list.length}`);
  }
  return list;
}

function isAction(value: unknown): value is GuardAction {
  return GUARD_ACTIONS.some((action) => action === value);
}

function nonsense(message: string): GuardFault {
  return new GuardFault("nonsense", message);
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
