// Asks a running gateway about its choices.

import { answerIn, messageIn } from "../ask_gateway.ts";
import type { Json } from "../../json/json.ts";
import { reasonOf } from "../probe.ts";

const TIMEOUT_MS = 5000;

export interface Gateway {
  readonly url: string;
  /** admin.token, where it is known. */
  readonly token: string | undefined;
}

/**
 * The JSON at `target`, for a body where one is posted. `holds`: whether what is read of it is there. Throws an Error with what to
 * do about it.
 */
export async function askGateway<T>(
  { url, token }: Gateway,
  target: string,
  holds: (answer: Json) => boolean,
  body?: Uint8Array<ArrayBuffer>,
): Promise<T> {
  const base = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  let response: Response;
  try {
    response = await fetch(base + target, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...body === undefined ? {} : { "content-type": "application/json" },
        ...token === undefined ? {} : { authorization: `Bearer ${token}` },
      },
      body,
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Error(`no gateway answers at ${base}: ${reasonOf(error)}; --url names another`);
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${base} answered ${response.status}: ${messageIn(text)}`);
  return answerIn(text, base, holds);
}
