// A JSON message to an HTTP service, and what its answer means as far as HTTP says it. Services that
// answer 200 to everything have their codes read in their own files.

import { ChannelError } from "../alert.ts";
import { oneLine } from "../wording.ts";

/** Bytes of an answer that are read. */
const MAX_ANSWER_BYTES = 16_384;
/** Characters of an answer that an error shows. */
const SHOWN_CHARS = 200;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** Sends `body`; resolves with the answer where its status is 2xx, else rejects with ChannelError. */
export async function post(
  url: string,
  body: unknown,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const answer = await exchange(url, body, signal, headers);
  const { status } = answer;
  if (status >= 200 && status < 300) return answer;
  const passing = status === 429 || status === 408 || status >= 500;
  throw new ChannelError(
    `answered ${status}${shownText(answer.text)}`,
    passing,
    retryAfterOf(answer.headers),
  );
}

async function exchange(
  url: string,
  body: unknown,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "simple-ai-gateway",
        ...headers,
      },
      body: JSON.stringify(body),
      // A message that follows a redirect may end up with somebody else.
      redirect: "manual",
      signal,
    });
    return { status: response.status, headers: response.headers, text: await beginning(response) };
  } catch (error) {
    throw new ChannelError(reasonOf(error).replace(/ for url \(\S*\)/, ""), true);
  }
}

/** What lies at the bottom of it: "fetch failed" has the refused connection as its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}

async function beginning(response: Response): Promise<string> {
  if (response.body === null) return "";
  const text = new TextDecoder();
  let read = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    read += text.decode(chunk, { stream: true });
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return read;
}

/** ": …" of what was answered; empty where that was nothing. */
function shownText(text: string): string {
  const line = oneLine(text).slice(0, SHOWN_CHARS);
  return line === "" ? "" : `: ${line}`;
}

/** Seconds of a Retry-After header, which may also be a date (RFC 9110, section 10.2.3). */
function retryAfterOf(headers: Headers): number | null {
  const value = headers.get("retry-after");
  if (value === null) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

/** The object that an answer is; rejects one that is none. */
export function objectIn({ text }: Answer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === "object") return value as Record<string, unknown>;
  } catch {
    // No JSON at all: told below, together with JSON that is no object.
  }
  throw new ChannelError(
    `expected a JSON object as answer; got${shownText(text) || ": nothing"}`,
    false,
  );
}

/** The parts of an address that let whoever knows them send messages. */
export function secretsOf(url: string): string[] {
  const { href, pathname, search, searchParams } = new URL(url);
  return [href, url, search, pathname, ...searchParams.values(), ...pathname.split("/")]
    .filter((part) => part.length >= 8);
}
