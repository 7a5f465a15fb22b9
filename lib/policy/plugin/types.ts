// The types that a plugin is written against, as `plugin --types` prints them.

/** The text of policy.d.ts. */
export const POLICY_TYPES = `// What a plugin of Simple AI Gateway is given and may answer.
// Written by \`simple-ai-gateway plugin --types > policy.d.ts\`.

/** Who speaks in a conversation. */
export type Role = "system" | "developer" | "user" | "assistant" | "tool" | string;

/** What a text is within a conversation. */
export type Channel =
  | "content"
  | "reasoning"
  | "tool_arguments"
  | "system"
  | "tool_results"
  | "tool_definitions";

/** One text of a request or an answer. */
export interface Text {
  readonly role: Role;
  readonly channel: Channel;
  readonly text: string;
}

export interface PromptInput {
  /** The model that is asked. */
  readonly model: string;
  /** Name of the caller's key; "" where there are no keys. */
  readonly key: string;
  readonly texts: readonly Text[];
}

export interface AnswerInput extends PromptInput {
  /** The window of the answer that is looked at. */
  readonly text: string;
  /** Whether it is the last one. */
  readonly final: boolean;
}

/** What is to be done. \`pass\` and nothing at all let the texts through. */
export type Verdict =
  | "pass"
  | undefined
  | { readonly action: "pass" }
  /** A prompt is refused, with \`message\` for the client; an answer is cut. */
  | { readonly action: "reject" | "cut"; readonly message?: string }
  /** Nothing is done; it is counted and told. */
  | { readonly action: "flag"; readonly message?: string }
  /** Other texts, one for each that was given, in their order. */
  | { readonly action: "mask" | "replace"; readonly texts: readonly string[] };

/**
 * The default export of a plugin. In the sandbox its functions answer at once: there is no I/O, nothing to
 * import and no promise; a trusted plugin may return one.
 */
export interface Policy<Answer = Verdict> {
  readonly name?: string;
  /** Called once for each request, before it is sent. */
  prompt?(input: PromptInput): Answer;
  /** Called for each window of an answer; other texts than it has are a reason to cut it. */
  answer?(input: AnswerInput): Answer;
}

/** A plugin with \`trusted: true\`, which may wait and fetch. */
export type TrustedPolicy = Policy<Verdict | Promise<Verdict>>;
`;
