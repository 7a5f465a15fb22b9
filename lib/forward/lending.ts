// What an instance's own key is lent for: inference, and what the operator names besides. Behind a
// vendor's key lie files, fine-tuning and accounts, which are not for whoever can reach the gateway.

import { dialects } from "../api/dialects.ts";
import type { InstanceConfig } from "../config/config.ts";

/** Paths that make models work, asked with POST. */
const INFERENCE = new Set([
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

/** What a model says of itself. */
const QUESTIONS = new Set(["/tokenizer_info", "/version", "/ping"]);

/** Whether the request is one that any key is lent for. `path` is without its query. */
export function isInference(method: string, path: string): boolean {
  if (method === "GET" || method === "HEAD") {
    return QUESTIONS.has(path) || /^\/v1\/responses\/[\w-]+(\/input_items)?$/.test(path);
  }
  if (method === "DELETE") return /^\/v1\/responses\/[\w-]+$/.test(path);
  return method === "POST" &&
    (INFERENCE.has(path) || path === "/ping" || /^\/v1\/responses\/[\w-]+\/cancel$/.test(path));
}

/** Whether `instance` may be asked for a path that is none of inference. */
export function lends(instance: InstanceConfig, path: string): boolean {
  return instance.apiKey === null ||
    instance.passthrough.some((open) => path === open || path.startsWith(`${open}/`));
}
