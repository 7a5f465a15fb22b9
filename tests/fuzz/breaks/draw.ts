// One case of an answer that breaks off: what kind of instance, what is asked, where it breaks. Drawn from
// a seed; asking and comparing are left to breaks_test.ts.

import type { SimulateOptions } from "../../../lib/simulate/instance.ts";
import { Random } from "../random.ts";

export type Body = Record<string, unknown>;

/** Where an answer breaks off. */
export type Cut =
  /** Behind so many thousandths of its bytes, in mid-event and in mid-character too. */
  | { at: "bytes"; share: number }
  /** Behind so many thousandths of its events. */
  | { at: "event"; share: number }
  /** Before the first token, before the end, between the end and the figures, before the last mark. */
  | { at: "head" | "before finish" | "behind finish" | "behind usage" };

export interface Case {
  readonly seed: number;
  /** Which of KINDS answers. */
  readonly kind: number;
  readonly path: string;
  readonly body: Body;
  /** What the body gets of the text and the ids that come without it. */
  readonly stops: readonly { from: number; length: number }[];
  readonly stopTokens: readonly number[];
  readonly cuts: readonly Cut[];
}

const TOKENS = { byteTokens: true } as const;
/** Pieces of which no text gives the ids back. */
const ODD = { ...TOKENS, oddPieces: true } as const;

/** Instances as they may be, and how the gateway goes on with their answers. */
export const KINDS: readonly { resume: string; options: SimulateOptions; isOdd?: boolean }[] = [
  { resume: "auto", options: {} },
  { resume: "auto", options: { ...ODD, streamInterval: 4 }, isOdd: true },
  { resume: "auto", options: { ...ODD, coalesce: 0.4, tokens: 14 }, isOdd: true },
  { resume: "auto", options: { ...TOKENS, reasoningTokens: 8, reasoningParser: "qwen3" } },
  { resume: "auto", options: { ...TOKENS, reasoningTokens: 6, streamInterval: 3, tokens: 12 } },
  { resume: "continue", options: { ...TOKENS } },
  { resume: "continue", options: { ...TOKENS, coalesce: 0.4 } },
  { resume: "exact", options: { ...TOKENS, emptyEvents: true, forceIncludeUsage: true } },
];

const PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"];

export const TOOL = {
  name: "get_weather",
  description: "weather",
  parameters: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
  },
};

/** The case of a seed. */
export function draw(seed: number): Case {
  const random = new Random(0x5eed, seed);
  const path = random.pick([...PATHS, ...PATHS.slice(0, 2)]);
  const kind = random.below(KINDS.length);
  const body = bodyFor(path, random, seed, KINDS[kind].isOdd === true);
  // Where thinking is switched off a parser is supposed, which has special tokens shown.
  if (KINDS[kind].options.reasoningParser === undefined) delete body.chat_template_kwargs;
  const takesStops = path !== "/v1/responses" && random.once(3);
  const stops = takesStops
    ? Array.from(
      { length: 1 + random.below(2) },
      () => ({ from: random.below(1000), length: 1 + random.below(12) }),
    )
    : [];
  const isChunks = path.endsWith("completions");
  return {
    ...{ seed, kind, path, body, stops },
    stopTokens: isChunks && random.once(8) ? [random.below(1000)] : [],
    cuts: Array.from({ length: random.once(3) ? 2 : 1 }, () => cut(random)),
  };
}

function cut(random: Random): Cut {
  const at = random.pick(
    ["bytes", "bytes", "event", "event", "head", "before finish", "behind finish", "behind usage"],
  );
  return at === "bytes" || at === "event" ? { at, share: random.below(1000) } : { at } as Cut;
}

function bodyFor(path: string, random: Random, seed: number, isOdd: boolean): Body {
  const wantsCall = path !== "/v1/completions" && random.once(4);
  const text = `#${seed}# Tell me 故事${wantsCall && random.once(2) ? " get_weather" : ""}`;
  const body: Body = { stream: !random.once(6) };
  const limit = random.once(8) ? null : 1 + random.below(60);
  // Without its ids a text of odd pieces is another one to the model; greedy answers are replayed then.
  if (isOdd || random.once(2)) body.temperature = 0;
  if (path === "/v1/responses") {
    body.input = text;
    if (limit !== null) body.max_output_tokens = limit;
    if (wantsCall) body.tools = [{ type: "function", ...TOOL }];
    return body;
  }
  if (path === "/v1/completions") body.prompt = text;
  else body.messages = [{ role: "user", content: text }];
  if (limit !== null || path === "/v1/messages") body.max_tokens = limit ?? 200;
  if (wantsCall) {
    const { parameters, ...tool } = TOOL;
    body.tools = path === "/v1/messages"
      ? [{ ...tool, input_schema: parameters }]
      : [{ type: "function", function: TOOL }];
  }
  if (path === "/v1/messages") return body;
  return { ...body, ...chunkOptions(path, random, body.stream === true) };
}

/** What chat and text completions know beyond the other APIs. */
function chunkOptions(path: string, random: Random, isStream: boolean): Body {
  const isChat = path.includes("chat");
  const more: Body = {};
  if (isStream && !random.once(3)) {
    more.stream_options = {
      include_usage: !random.once(4),
      continuous_usage_stats: random.once(3),
    };
  }
  if (random.once(4)) more.return_token_ids = true;
  if (random.once(6)) {
    Object.assign(more, isChat ? { logprobs: true, top_logprobs: 1 } : { logprobs: 1 });
  }
  if (random.once(10)) more.n = 2;
  if (random.once(10)) more.echo = true;
  if (random.once(4)) more.ignore_eos = true;
  if (random.once(3)) more.skip_special_tokens = random.once(3);
  if (random.once(3)) more.include_stop_str_in_output = true;
  if (random.once(4)) more.min_tokens = random.below(20);
  if (more.ignore_eos || more.min_tokens) more.max_tokens = 20 + random.below(40);
  if (random.once(10)) Object.assign(more, { temperature: 0.8, seed: 7 });
  if (random.once(5)) more.stream_interval = 1 + random.below(6);
  if (random.once(12)) more.chat_template_kwargs = { enable_thinking: false };
  return more;
}
