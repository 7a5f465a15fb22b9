// Where a request goes on an instance: its URL, and the model's name as the instance knows it.

import type { InstanceConfig } from "../config/config.ts";

/** Position of a field's value in the body, so that it can be replaced without touching the rest. */
export class Span {
  constructor(readonly start: number, readonly end: number) {}
}

/**
 * URL of `target` (path and query as the client wrote them) on the instance. Versioned API paths keep
 * the instance's prefix, everything else goes to the root of its server.
 */
export function targetUrl(instance: InstanceConfig, target: string): string {
  const prefix = target.startsWith("/v1/") || target.startsWith("/v1?") ? instance.pathPrefix : "";
  return instance.origin + prefix + target;
}

/**
 * The body for one instance, in pieces that share the client's bytes: only the spans of the model name
 * are replaced, with `encode`d text.
 */
export function bodyFor(
  body: Uint8Array,
  modelSpans: readonly Span[],
  replacement: Uint8Array | null,
): readonly Uint8Array[] {
  if (body.length === 0) return [];
  if (replacement === null || modelSpans.length === 0) return [body];
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const span of modelSpans) {
    if (span.start > at) pieces.push(body.subarray(at, span.start));
    pieces.push(replacement);
    at = span.end;
  }
  if (at < body.length) pieces.push(body.subarray(at));
  return pieces;
}
