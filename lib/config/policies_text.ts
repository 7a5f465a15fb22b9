// Options of the policies that look for something in a text: words, patterns, personal data, secrets.

import { z } from "zod";
import { channels, everyPolicy, message, onWhat } from "./policy_common.ts";

/** What is done where something is found. */
const action = z.enum(["reject", "cut", "mask", "replace", "flag"]).describe(
  "reject: a prompt is refused, an answer ends as with cut. cut: the answer ends before it. mask: each " +
    "character becomes a *. replace: `replacement` stands in its place. flag: it is told, nothing else.",
);

const finding = {
  ...everyPolicy,
  on: onWhat.default("both"),
  channels,
  action,
  replacement: z.string().max(200).optional()
    .describe("What `replace` writes; else the kind of what was found, in brackets."),
  in_schema: z.enum(["cut", "same"]).default("cut").describe(
    "Where a request fixes the form of its answer (response_format and the like) mask and replace might " +
      "break it: the answer is cut there instead. same: they do it all the same.",
  ),
  message,
  unscannable: z.enum(["reject", "pass"]).default("reject").describe(
    "Prompts with parts that no filter can read (token ids, images, a template of their own): pass notes it.",
  ),
  expose: z.boolean().default(false)
    .describe("Whether the client is told of it in x-gateway-policy: its name and action."),
};

const restore = z.boolean().default(false).describe(
  "With replace on prompts: stable placeholders, which become what they stand for in the answer.",
);

const salt = z.string().min(1).optional().describe(
  "What placeholders are made with, so that nobody can tell values from them.",
);

export const words = z.strictObject({
  type: z.literal("words").describe("Looks for words and phrases."),
  ...finding,
  words: z.array(z.string().min(1).max(1000)).default([]).describe("Words and phrases."),
  file: z.string().min(1).optional()
    .describe("A file with one on each line; `#` begins a comment line. Watched."),
  whole_words: z.boolean().default(false)
    .describe("Only where no letter or digit stands before or behind it."),
});

export const patterns = z.strictObject({
  type: z.literal("patterns").describe(
    "Looks for regular expressions, in time linear to the text.",
  ),
  ...finding,
  patterns: z.array(z.string().min(1).max(2000)).min(1)
    .describe("Regular expressions in RE2's syntax: no backreferences, no look-around."),
  ignore_case: z.boolean().default(false).describe("Whether case does not count."),
  max_length: z.int().positive().max(4096).optional().describe(
    "Longest match, in characters; needed where a pattern has no end of its own (`+`, `*`).",
  ),
});

/** Kinds of personal data. */
export const PERSONAL = [
  "cn_id_card",
  "cn_phone",
  "cn_passport",
  "bank_card",
  "email",
  "phone",
  "ip",
  "us_ssn",
] as const;

export const pii = z.strictObject({
  type: z.literal("pii").describe(
    "Looks for personal data; numbers with check digits are checked.",
  ),
  ...finding,
  find: z.array(z.enum(PERSONAL)).min(1)
    .default(["cn_id_card", "cn_phone", "bank_card", "email"]).describe("Kinds of data."),
  restore,
  salt,
});

export const secrets = z.strictObject({
  type: z.literal("secrets").describe("Looks for keys of vendors, private keys, tokens."),
  ...finding,
  restore,
  salt,
});
