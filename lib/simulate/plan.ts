// When an answer ends and what it is made of: reasoning, text, tool calls. A function of the prompt
// alone, with what was generated before counted in, so that an answer continued elsewhere ends where
// the first one would have.

import {
  advance,
  initialState,
  type ModelState,
  nextToken,
  saltAt,
  type Speech,
  stateNumber,
} from "./model.ts";
import { decode, type Encode, encode, SPECIAL } from "./tokenizer.ts";

/** Which part of the answer a token belongs to: marks of thinking and of tool calls among them. */
export type Channel = "content" | "reasoning" | "tool" | "think mark" | "tool mark";

/** A stretch of an answer: tokens that are given, or `count` that the model chooses. */
export interface Stretch {
  channel: Channel;
  tokens: readonly number[] | null;
  count: number;
  /** For tool calls: which one, and its name. */
  call?: { index: number; name: string };
}

/** An answer to be. */
export interface Plan {
  stretches: readonly Stretch[];
  /** Tokens of it that the prompt already has. */
  done: number;
  /** The model's state at the end of the prompt. */
  state: ModelState;
  /** What comes when the answer is over and `ignore_eos` does not let it end. */
  again: (state: ModelState) => Stretch;
}

export interface PlanOptions {
  seed: number;
  speech: Speech;
  encode: Encode;
  salt: number;
  /** Tokens of text; null for a length that the prompt decides. */
  tokens: number | null;
  /** Tokens of reasoning; 0 for none. */
  reasoningTokens: number;
  /** Text to answer with instead of the model's own. */
  answer: string | null;
  /** Functions that must be called; null leaves it to the prompt. `bare` is a named tool choice. */
  forcedTools: { tools: Tool[]; bare: boolean } | null;
  /** False where the request forbids calls. */
  allowTools: boolean;
}

/** A function that may be called. */
export interface Tool {
  name: string;
  parameters: unknown;
}

const ASSISTANT = encode("<|im_start|>assistant\n");

/** What a template puts before the answer where the request forbids thinking. */
export const EMPTY_THOUGHT = "<think>\n\n</think>\n\n";
const EMPTY_THOUGHT_IDS = encode(EMPTY_THOUGHT);

/** Plans the answer to a prompt. */
export function plan(ids: readonly number[], options: PlanOptions): Plan {
  const opened = assistantStart(ids);
  const chat = opened !== null;
  const state = initialState(options.seed, options.speech);
  // Without a chat template, what the model would have said itself counts as said by it.
  let start = 0;
  let startState = { ...state };
  for (let at = 0; at < ids.length; at++) {
    if (!chat && nextToken(state, saltAt(options.salt, at - start)) !== ids[at]) {
      start = at + 1;
    }
    advance(state, ids[at]);
    if (chat ? at + 1 === opened : start === at + 1) {
      start = at + 1;
      startState = { ...state };
    }
  }
  const answer = options.answer === null ? null : options.encode(options.answer);
  if (!chat && answer) start = ids.length - overlap(ids, answer);
  const stretches = stretchesOf(ids, start, chat, startState, answer, options);
  const again = (state: ModelState) => text(answer, state, options);
  return { stretches, done: ids.length - start, state, again };
}

function text(
  answer: readonly number[] | null,
  state: ModelState,
  options: PlanOptions,
): Stretch {
  if (answer) return { channel: "content", tokens: answer, count: answer.length };
  const count = options.tokens ?? 48 + stateNumber(state, 0) % 33;
  return { channel: "content", tokens: null, count };
}

function stretchesOf(
  ids: readonly number[],
  start: number,
  chat: boolean,
  startState: ModelState,
  answer: readonly number[] | null,
  options: PlanOptions,
): Stretch[] {
  const stretches: Stretch[] = [];
  const fixed = (channel: Channel, text: string, call?: Stretch["call"]) => {
    const tokens = options.encode(text);
    stretches.push({ channel, tokens, count: tokens.length, call });
  };
  // An open message without its reasoning is continued as text: the template gave no place to think.
  const thinks = chat && options.reasoningTokens > 0 &&
    (start === ids.length || ids[start] === SPECIAL.think);
  if (thinks) {
    fixed("think mark", "<think>\n");
    stretches.push({ channel: "reasoning", tokens: null, count: options.reasoningTokens });
    fixed("think mark", "</think>\n\n");
  }
  const calls = chat ? toolsToCall(ids, start, options) : [];
  if (calls.length > 0) {
    const bare = options.forcedTools?.bare === true;
    calls.forEach((tool, index) => {
      const call = { index, name: tool.name };
      const given = argumentsFor(tool.parameters, stateNumber(startState, index + 1));
      if (!bare) {
        fixed(
          "tool mark",
          `${index > 0 ? "\n" : ""}<tool_call>\n{"name": "${tool.name}", "arguments": `,
        );
      }
      fixed("tool", given, call);
      if (!bare) fixed("tool mark", "}\n</tool_call>");
    });
  } else {
    stretches.push(text(answer, startState, options));
  }
  return stretches;
}

/** Where the open assistant message begins, or null when the prompt has none. */
function assistantStart(ids: readonly number[]): number | null {
  for (let at = ids.length - 1; at >= 0; at--) {
    if (ids[at] === SPECIAL.end) return null;
    if (ids[at] !== SPECIAL.start) continue;
    if (!begins(ids, at, ASSISTANT)) return null;
    const start = at + ASSISTANT.length;
    return begins(ids, start, EMPTY_THOUGHT_IDS) ? start + EMPTY_THOUGHT_IDS.length : start;
  }
  return null;
}

function begins(ids: readonly number[], at: number, part: readonly number[]): boolean {
  return part.every((id, offset) => ids[at + offset] === id);
}

/** How many tokens of `answer` the prompt ends with. */
function overlap(ids: readonly number[], answer: readonly number[]): number {
  for (let count = Math.min(ids.length, answer.length); count > 0; count--) {
    if (answer.slice(0, count).every((id, at) => ids[ids.length - count + at] === id)) return count;
  }
  return 0;
}

/** The functions to call: those forced, or those that the last user message names or asks for. */
function toolsToCall(ids: readonly number[], start: number, options: PlanOptions): Tool[] {
  if (options.forcedTools) return options.forcedTools.tools;
  if (!options.allowTools || !ids.includes(SPECIAL.tools)) return [];
  const text = decode(ids.slice(0, start));
  const list = /<tools>\n([^]*?)\n<\/tools>/.exec(text);
  const last =
    /^<\|im_start\|>user\n((?:(?!<\|im_end\|>)[^])*)<\|im_end\|>\n<\|im_start\|>assistant\n(?:<think>\n\n<\/think>\n\n)?$/
      .exec(
        text.slice(text.lastIndexOf("<|im_start|>user\n")),
      );
  if (!list || !last) return [];
  const tools = list[1].split("\n").map(toolOf).filter((tool) => tool !== null);
  const named = tools.filter((tool) => last[1].includes(tool.name));
  if (named.length > 0) return named;
  return /\b(tool|function|call)\b/i.test(last[1]) ? tools.slice(0, 1) : [];
}

function toolOf(line: string): Tool | null {
  try {
    return readTool(JSON.parse(line));
  } catch (error) {
    // A user may write anything into the prompt: what is no tool is none.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A tool in OpenAI's form (chat or responses) or Anthropic's; null when it has no name. */
export function readTool(value: unknown): Tool | null {
  const given = value as {
    name?: string;
    parameters?: unknown;
    input_schema?: unknown;
    function?: { name?: string; parameters?: unknown };
  };
  const name = given?.function?.name ?? given?.name;
  if (typeof name !== "string" || name === "") return null;
  return { name, parameters: given.function?.parameters ?? given.parameters ?? given.input_schema };
}

/** JSON arguments that fit a schema's properties; Chinese among them, as users' data has it. */
function argumentsFor(schema: unknown, random: number): string {
  const words = ["Paris", "北京", "red colour", 'a "quoted" word', "münchen"];
  const value = (given: unknown, depth: number): unknown => {
    const { type, enum: choices, properties, items } = (given ?? {}) as {
      type?: string | string[];
      enum?: unknown[];
      properties?: Record<string, unknown>;
      items?: unknown;
    };
    const kind = Array.isArray(type) ? type[0] : type;
    if (choices && choices.length > 0) return choices[random % choices.length];
    if (kind === "integer" || kind === "number") return random % 100;
    if (kind === "boolean") return random % 2 === 0;
    if (kind === "array") return depth > 3 ? [] : [value(items, depth + 1)];
    if (kind === "object" || properties) {
      return Object.fromEntries(
        Object.entries(depth > 3 ? {} : properties ?? {}).map((
          [name, property],
        ) => [name, value(property, depth + 1)]),
      );
    }
    return words[random % words.length];
  };
  return JSON.stringify(value({ type: "object", ...(schema as object) }, 0));
}
