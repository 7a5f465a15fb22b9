// One POST of JSON to a guard on another server, within a time and a size.

import { GuardFault } from "./verdict.ts";

const MAX_ANSWER_BYTES = 256 * 1024;

/** The JSON of a 200. Throws GuardFault. */
export async function postJson(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  timeoutMs: number,
): Promise<unknown> {
  const late = new AbortController();
  // The whole exchange, a body that trickles in too.
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      redirect: "error",
      signal: late.signal,
    });
    const text = await limitedText(response);
    if (response.status !== 200) throw new GuardFault("error", `answered ${response.status}`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof GuardFault) throw error;
    if (late.signal.aborted) throw new GuardFault("timeout", `no verdict within ${timeoutMs} ms`);
    if (error instanceof SyntaxError) throw new GuardFault("nonsense", "answered no JSON");
    // What fetch says names addresses, which are nobody's business but the log's.
    throw new GuardFault("error", error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
    late.abort();
  }
}

async function limitedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) {
      throw new GuardFault("too_large", `answered more than ${MAX_ANSWER_BYTES} bytes`);
    }
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
