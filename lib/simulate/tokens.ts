// POST /tokenize and /detokenize.

import { chatPrompt } from "./chat_request.ts";
import { readPrompts } from "./completions.ts";
import type { Engine } from "./engine.ts";
import { type Exchange, type Json, sendJson } from "./exchange.ts";
import { decode, tokenText } from "./tokenizer.ts";

/** The tokens of a prompt, or of a conversation as the chat template renders it. */
export function tokenize(exchange: Exchange, engine: Engine, body: Json): void {
  const ids = body.messages === undefined
    ? readPrompts(body.prompt, engine.encode)[0]
    : engine.encode(chatPrompt(body, engine));
  sendJson(exchange, {
    count: ids.length,
    max_model_len: engine.options.maxModelLen,
    tokens: ids,
    token_strs: body.return_token_strs === true ? ids.map(tokenText) : null,
  });
}

/** The text of tokens. */
export function detokenize(exchange: Exchange, engine: Engine, body: Json): void {
  sendJson(exchange, { prompt: decode(readPrompts(body.tokens, engine.encode, "tokens")[0]) });
}
