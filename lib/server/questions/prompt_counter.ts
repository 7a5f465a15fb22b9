// How long a prompt is: by what is learned of its model, and exactly, by an instance's tokenizer, where it
// matters.

import { dialectOf } from "../../api/dialects.ts";
import { Estimates } from "../../caller/estimates.ts";
import { type PromptSize, sizeOf } from "../../pool/prefix/prompt_size.ts";
import type { TokenCounter } from "../../policy/prompt/context.ts";
import { elementsOf, placeOf } from "../../policy/prompt/json_splice.ts";
import type { PromptBody } from "../../policy/prompt/prompt_body.ts";
import type { Json } from "../../json/json.ts";

/** Asks for the tokens of a prompt in the form of `/tokenize`; null where nobody tells. */
export type CountExactly = (model: string, prompt: Json) => Promise<number | null>;

export class PromptCounters {
  readonly #estimates = new Estimates();
  readonly #counters = new Map<string, TokenCounter>();

  constructor(private readonly count: CountExactly) {}

  of(model: string): TokenCounter {
    let counter = this.#counters.get(model);
    if (counter === undefined) this.#counters.set(model, counter = this.#made(model));
    return counter;
  }

  #made(model: string): TokenCounter {
    const estimates = this.#estimates;
    return {
      estimate: (body) => estimates.prompt(model, promptSize(body)),
      exact: async (body) => {
        const { prompt } = body.json;
        const form = body.api === "completions"
          ? typeof prompt === "string" ? { prompt } : null
          : dialectOf(body.api).prompt?.(body.json) ?? null;
        const tokens = form === null ? null : await this.count(model, form);
        if (tokens !== null) estimates.prompted(model, promptSize(body), tokens);
        return tokens;
      },
      sizeOf(bytes, start, end, ratio) {
        const size = sizeOf(bytes, { ...NO_PROMPT, parts: [{ start, end }] });
        return estimates.prompt("", { ...size, bytes: 0 }) + Math.ceil(size.bytes * ratio);
      },
      textBytes: (body) => promptSize(body).bytes,
    };
  }
}

const NO_PROMPT = { parts: [], moreBytes: 0, ids: null, salt: "", answerTokens: 0 };

function promptSize(body: PromptBody): PromptSize {
  const { bytes, json } = body;
  const parts = dialectOf(body.api).promptFields.flatMap((field) => placeOf(bytes, [field]) ?? []);
  const ids = Array.isArray(json.prompt) && typeof json.prompt[0] === "number"
    ? elementsOf(bytes, parts[0].start).length
    : null;
  return sizeOf(bytes, { ...NO_PROMPT, parts, ids });
}
