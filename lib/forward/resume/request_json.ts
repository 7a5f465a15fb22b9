// A request's body as JSON and back, without losing what JavaScript's numbers cannot hold.

import type { Json } from "../../json/json.ts";
import { hasTooManyValues } from "../../json/values.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Parses a request without losing integers that JavaScript's numbers cannot hold; null for what is JSON
 * to Python only (NaN and the like), and for what would take gigabytes.
 */
export function parseRequest(body: Uint8Array): Json | null {
  if (hasTooManyValues(body)) return null;
  try {
    return parseExactly(body);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function parseExactly(body: Uint8Array): Json {
  return JSON.parse(
    decoder.decode(body),
    function (_key: string, value: unknown, context?: { source?: string }) {
      const inexact = typeof value === "number" && context?.source !== undefined &&
        String(value) !== context.source;
      return inexact ? rawJson(context.source!) : value;
    } as (key: string, value: unknown) => unknown,
  );
}

/** JSON.rawJSON (ES2026): a number that is written as it was read. */
function rawJson(source: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
}

/** The bytes of a request for an instance that may know the model by another name. */
export function requestBytes(request: Json, upstreamModel: string | undefined): Uint8Array {
  const named = upstreamModel === undefined ? request : { ...request, model: upstreamModel };
  return encoder.encode(JSON.stringify(named));
}
