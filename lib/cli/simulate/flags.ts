// The flags of `simulate`.

import { DEFAULTS } from "../../simulate/defaults.ts";
import { FAULT_KINDS, type FaultRule, parseFault } from "../../simulate/faults.ts";
import { REASONING_PARSERS } from "../../simulate/parsers.ts";
import { optional, repeated, toggle, type Values, withDefault } from "../command/flag.ts";
import { decimal, expected, type Kind, oneOf, text, whole } from "../command/kind.ts";
import { fileWords } from "../../observe/file_words.ts";

const FAULT: Kind<FaultRule> = {
  placeholder: "FAULT",
  words: Object.keys(FAULT_KINDS),
  read: parseFault,
};

/** The text of an answer, or what the file after an @ holds. */
const ANSWER: Kind<string> = {
  placeholder: "TEXT|@FILE",
  read(given) {
    if (!given.startsWith("@")) return given;
    try {
      return Deno.readTextFileSync(given.slice(1));
    } catch (error) {
      throw new RangeError(fileWords(error));
    }
  },
};

/** Of all tokens. */
const SHARE: Kind<number> = {
  placeholder: "SHARE",
  read(given) {
    const share = Number(given);
    if (given === "" || !(share >= 0 && share < 1)) throw expected("a share below 1", given);
    return share;
  },
};

const HOW = { group: "How" };
const VLLM = { group: "As vLLM" };
const FAULTS = { group: "Faults" };

export const flags = {
  host: withDefault(text("ADDRESS"), "127.0.0.1", "address to listen on"),
  port: withDefault(
    whole("N", 0, 65_535),
    "8001",
    "port of the first instance, the others follow; 0 for any free ones",
  ),
  count: withDefault(whole("N", 1, 65_535), "1", "number of instances"),
  model: repeated(text("NAME"), "name of the model (default demo)"),
  "api-key": optional(text("KEY"), 'ask for "Authorization: Bearer KEY" under /v1 and /v2'),
  "max-model-len": withDefault(
    whole("N"),
    String(DEFAULTS.maxModelLen),
    "tokens of prompt and answer at most",
  ),
  json: toggle("ready lines as JSON"),
  ttft: withDefault(
    decimal("SECONDS"),
    String(DEFAULTS.ttftS),
    "time to the first token of a prompt that is not cached",
    HOW,
  ),
  "prefill-tokens-per-second": withDefault(
    decimal("N"),
    String(DEFAULTS.prefillTokensPerSecond),
    "in place of --ttft: prompts are computed at this speed, one after another; 0: each by itself",
    HOW,
  ),
  "tokens-per-second": withDefault(
    decimal("N"),
    String(DEFAULTS.tokensPerSecond),
    "speed of one answer, 0: as fast as it is read",
    HOW,
  ),
  tokens: optional(
    whole("N"),
    "length of the answers' text in tokens (default: by the prompt, 48 to 80)",
    HOW,
  ),
  answer: optional(ANSWER, "what to answer, the text itself or a file's", HOW),
  reasoning: optional(whole("N"), "think before answering, N tokens", { ...HOW, alone: "16" }),
  "reasoning-field": withDefault(
    oneOf("NAME", ["reasoning", "reasoning_content"]),
    "reasoning",
    "reasoning, or reasoning_content as older versions say",
    HOW,
  ),
  seed: withDefault(whole("N"), "0", "another seed is another model", HOW),
  "max-num-seqs": withDefault(
    whole("N"),
    "0",
    "requests at once, others wait; 0: any number",
    HOW,
  ),
  "max-num-queued-reqs": withDefault(
    whole("N"),
    "0",
    "requests that run and wait at most, others get 503; 0: any number",
    HOW,
  ),
  ranks: withDefault(
    whole("N", 1),
    "1",
    "data-parallel ranks behind each address, with a cache and a queue each",
    HOW,
  ),
  "cache-blocks": withDefault(
    whole("N"),
    String(DEFAULTS.cacheBlocks),
    "prefix cache in blocks of 16 tokens, 0: none",
    HOW,
  ),
  "reasoning-parser": optional(
    oneOf("NAME", REASONING_PARSERS),
    `${REASONING_PARSERS.join(" or ")}: what no mark ends is reasoning`,
    VLLM,
  ),
  "byte-tokens": toggle("a character beyond ASCII is as many tokens as it has bytes", VLLM),
  "odd-pieces": toggle("some words come in other pieces than their text is encoded in", VLLM),
  "stream-interval": withDefault(whole("N"), "1", "tokens an event, the first one's apart", VLLM),
  coalesce: withDefault(
    SHARE,
    "0",
    "tokens that leave with the next one, as with a slow reader",
    VLLM,
  ),
  "enable-force-include-usage": toggle("usage in every chunk of every stream", VLLM),
  "empty-events": toggle("an event for tokens without text too, as without any parser", VLLM),
  "late-head": toggle("a stream's head comes with its first token", VLLM),
  "dev-mode": toggle("/sleep, /wake_up, /is_sleeping, /pause, /resume, /is_paused", VLLM),
  "shutdown-timeout": optional(
    decimal("SECONDS"),
    "on SIGTERM finish what runs, refuse what comes, abort the rest; without it all ends at once",
    VLLM,
  ),
  fail: repeated(FAULT, "KIND[:NUMBER][:PROBABILITY|:COUNT], see below", FAULTS),
};

/** The flags as they were given. */
export type Given = Values<typeof flags>;
