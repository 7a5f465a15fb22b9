// Where a request goes on an instance: its URL, and the model's name as the instance knows it.

import type { InstanceConfig } from "../config/config.ts";
import { isCredentialPair } from "../http/credential_names.ts";

/** Position of a field's value in the body, so that it can be replaced without touching the rest. */
export class Span {
  constructor(readonly start: number, readonly end: number) {}
}

/** What stands in the place of a span; an empty span is a place to put it in. */
export interface Replacement {
  readonly span: Span;
  readonly bytes: Uint8Array;
}

/**
 * URL of `target` (path and query as the client wrote them) on the instance: below its prefix, which is
 * all that there is of the instance behind a proxy that tells instances apart by it.
 */
export function targetUrl(instance: InstanceConfig, target: string): string {
  const given = instance.apiKey !== null && target.includes("?") ? withoutKeys(target) : target;
  return instance.origin + instance.pathPrefix + given;
}

/** A client's own key has no business at an instance that is asked with another one. */
function withoutKeys(target: string): string {
  const at = target.indexOf("?");
  const kept = target.slice(at + 1).split("&").filter((pair) => !isCredentialPair(pair));
  return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join("&")}`;
}

/** The body in pieces that share the client's bytes: only the spans of the `replacements` are others. */
export function bodyWith(
  body: Uint8Array,
  replacements: readonly Replacement[],
): readonly Uint8Array[] {
  if (body.length === 0) return [];
  if (replacements.length === 0) return [body];
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { span, bytes } of replacements.toSorted((a, b) => a.span.start - b.span.start)) {
    if (span.start > at) pieces.push(body.subarray(at, span.start));
    pieces.push(bytes);
    at = span.end;
  }
  if (at < body.length) pieces.push(body.subarray(at));
  return pieces;
}
