// What an instance's own key is lent for: inference, and what the operator names besides. Behind a
// vendor's key lie files, fine-tuning and accounts, which are not for whoever can reach the gateway.

import { INFERENCE, QUESTIONS } from "../api/paths.ts";
import type { InstanceConfig } from "../config/config.ts";

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
