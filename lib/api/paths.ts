// The paths of instances' servers that the gateway knows by name, beside those with an id in them.

import { dialects } from "./dialects.ts";

/** Paths that make models work, asked with POST. */
export const INFERENCE: ReadonlySet<string> = new Set([
  ...Object.values(dialects).flatMap(({ path }) => [path, `${path}/render`, `${path}/derender`]),
  "/v1/chat/completions/batch",
  "/v1/responses/input_tokens",
  "/v1/responses/compact",
  "/v1/messages/count_tokens",
  "/v1/embeddings",
  "/v1/rerank",
  "/v2/rerank",
  "/v1/score",
  "/v1/pooling",
  "/v1/classify",
  "/v2/embed",
  "/v1/moderations",
  "/v1/audio/transcriptions",
  "/v1/audio/translations",
  "/v1/audio/speech",
  "/v1/images/generations",
  "/v1/images/edits",
  "/v1/images/variations",
  "/tokenize",
  "/detokenize",
  "/pooling",
  "/classify",
  "/score",
  "/rerank",
  "/generative_scoring",
]);

/** Of these, what is computed at once, comes whole, and leaves nothing behind: it may be asked for twice. */
export const READINGS: ReadonlySet<string> = new Set([
  "/v1/embeddings",
  "/v2/embed",
  "/v1/rerank",
  "/v2/rerank",
  "/rerank",
  "/v1/score",
  "/score",
  "/v1/classify",
  "/classify",
  "/v1/pooling",
  "/pooling",
  "/tokenize",
  "/detokenize",
  "/v1/messages/count_tokens",
]);

/** Paths by which a model or its server tells of itself, asked with GET. */
export const QUESTIONS: ReadonlySet<string> = new Set(["/tokenizer_info", "/version", "/ping"]);

/** Those outside /v1 and /v2, where all other paths of a server are its operator's. */
export const ROOT_PATHS: ReadonlySet<string> = new Set(
  [...INFERENCE, ...QUESTIONS].filter((path) => !/^\/v[12]\//.test(path)),
);
