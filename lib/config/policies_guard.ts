// Options of the policies that ask somebody else: a model, a web service, code of the user's own.

import { z } from "zod";
import { channels, everyPolicy, message, onWhat } from "./policy_common.ts";

const seconds = (most: number) => z.number().positive().max(most);

const asking = {
  ...everyPolicy,
  on: onWhat.default("prompt"),
  channels,
  fail: z.enum(["open", "closed"]).default("open").describe(
    "What is done where there is no verdict: open lets pass, closed refuses.",
  ),
  unscannable: z.enum(["reject", "pass"]).default("reject")
    .describe("What is done with a prompt that has what no text is: images, audio, token ids."),
  window: z.int().min(20).max(100_000).default(200).describe(
    "Characters of an answer that are looked at in one go, up to a sentence's end.",
  ),
  release: z.enum(["after", "first"]).default("after").describe(
    "after: nothing of an answer goes out unseen. first: all goes out at once, and an answer that is " +
      "refused is cut then.",
  ),
  message,
  expose: z.boolean().default(false)
    .describe("Whether the client is told of it in x-gateway-policy: its name and action."),
};

export const moderation = z.strictObject({
  type: z.literal("moderation").describe("A model says whether a text is safe."),
  ...asking,
  model: z.string().min(1).describe(
    "Guard model: one of this gateway's, or what `url` knows it by.",
  ),
  url: z.url({ protocol: /^https?$/ }).optional()
    .describe("Another server: its /v1/chat/completions, or /v1/moderations as OpenAI's."),
  api_key: z.string().min(1).optional().describe("Key for `url`."),
  form: z.enum(["auto", "qwen3guard", "llama_guard", "openai"]).default("auto").describe(
    "How the verdict is written; auto goes by the url and the model's name.",
  ),
  categories: z.array(z.string().min(1)).default([])
    .describe("Kinds of unsafe texts that count, as the model calls them; none for all."),
  controversial: z.enum(["pass", "reject"]).default("pass")
    .describe("What Qwen3Guard calls controversial."),
  action: z.enum(["reject", "flag"]).default("reject")
    .describe("reject: a prompt is refused, an answer is cut. flag: it is told, nothing else."),
  timeout: seconds(60).default(2).describe("Seconds for one verdict."),
});

export const webhook = z.strictObject({
  type: z.literal("webhook").describe("A web service says what is done with a text."),
  ...asking,
  url: z.url({ protocol: /^https?$/ }).describe("Where texts are posted to."),
  secret: z.string().min(1).optional()
    .describe(
      "Signs each call: x-gateway-signature is sha256= and the HMAC of time, dot and body.",
    ),
  timeout: seconds(60).default(0.3).describe("Seconds for one verdict."),
});

export const plugin = z.strictObject({
  type: z.literal("plugin").describe("A TypeScript file says what is done with a text."),
  ...asking,
  file: z.string().min(1).describe("The file. Watched."),
  trusted: z.boolean().default(false).describe(
    "Runs in the gateway itself, may wait and fetch, and may take the gateway down; else in a sandbox.",
  ),
  timeout: seconds(10).default(0.02).describe("Seconds for one call."),
});
