// Questions to a service's HTTP interface: a time for the head, limits for what comes, errors in plain words.

import { Unusable } from "./source.ts";

const MAX_BYTES = 16 * 1024 * 1024;

export interface Question {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly client?: Deno.HttpClient;
  readonly signal: AbortSignal;
}

/** The answer, once it is a 200; throws Unusable with what the server says otherwise. */
export async function ask({ url, headers, client, signal }: Question): Promise<Response> {
  const response = await fetch(url, { headers, client, signal, redirect: "error" });
  if (response.status === 200) return response;
  const words = (await limited(response)).replace(/\s+/g, " ").trim();
  throw new BadStatus(response.status, messageIn(words));
}

export class BadStatus extends Unusable {
  constructor(readonly status: number, words: string) {
    super(`it answers ${status}: ${words.slice(0, 200)}`);
  }
}

/** The whole body as a value. */
export async function json(response: Response): Promise<unknown> {
  const text = await limited(response);
  try {
    return JSON.parse(text);
  } catch {
    throw new Unusable("its answer is no JSON");
  }
}

/** Kubernetes says why in JSON. */
function messageIn(words: string): string {
  try {
    const { message } = JSON.parse(words);
    return typeof message === "string" ? message : words;
  } catch {
    // Words as they are.
    return words;
  }
}

async function limited(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > MAX_BYTES) throw new Unusable("its answer has no end");
  }
  return text + decoder.decode();
}
