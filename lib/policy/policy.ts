// What a policy is to the rest of the program: something that looks at a request before it is sent, or at
// what is answered, and tells what it did. What each kind looks for is in the files beside this one.

import { RequestError } from "../http/client.ts";
import type { AnswerRules } from "./answer/rules.ts";
import type { AnswerGuards } from "./guard/answer_guards.ts";
import type { PromptBody } from "./prompt/prompt_body.ts";
import type { PolicyTrail } from "./trail.ts";

/** What a request's policies are chosen by. */
export interface Subject {
  readonly model: string;
  /** What else it may be: a response that is fetched is known by its id alone. */
  readonly orModels?: readonly string[];
  /** Names of the caller's key and group; "" without. */
  readonly key: string;
  readonly group: string;
  /** The path. */
  readonly route: string;
}

/** A request before anything of it was sent. */
export interface Asking {
  readonly subject: Subject;
  readonly body: PromptBody;
  readonly trail: PolicyTrail;
}

/** A policy on what is asked. */
export interface PromptPolicy {
  readonly name: string;
  /** When its turn is; within a turn the order is the file's. */
  readonly turn: Turn;
  /** Gets ready what takes its time; missing where nothing does. */
  prepare?(): Promise<void>;
  /** Looks at the request, and may change its body. Throws PolicyRefusal where it may not be asked. */
  ask(asking: Asking): void | Promise<void>;
}

/** The order of policies on prompts: those behind see what those before have made of the request. */
export const TURNS = ["parameters", "system_prompt", "filters", "context", "guards"] as const;
export type Turn = typeof TURNS[number];

/** What is in force for one request. */
export interface Plan {
  /** In their order. */
  readonly prompt: readonly PromptPolicy[];
  /** null where nothing looks at answers. */
  readonly answer: AnswerRules | null;
  /** null where no guard looks at answers. */
  readonly guards: AnswerGuards | null;
}

/** What policies have made of a request. */
export interface Policed {
  readonly plan: Plan;
  readonly trail: PolicyTrail;
  /** What is sent. */
  readonly body: Uint8Array;
  /** What puts back into the answer what was replaced in the prompt; null where nothing was. */
  readonly restore: AnswerRules | null;
}

/** A request that a policy does not let pass. The words never say what was found. */
export class PolicyRefusal extends RequestError {
  constructor(
    readonly policy: string,
    message: string | null = null,
    param: string | null = null,
    /** For machines. */
    readonly reason = "content_filter",
  ) {
    super(400, message ?? `The prompt was refused by policy \`${policy}\`.`, param);
  }
}
