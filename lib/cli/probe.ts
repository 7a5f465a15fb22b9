// Asks a server what it serves: its models and their context, and what it calls itself. `init` writes
// its configuration by it, `serve --instance` starts by it, `check --live` compares.

import { expected } from "./command/kind.ts";
import { printable } from "./printable.ts";
import { isObject } from "../json/json.ts";

export interface Probed {
  url: string;
  /** In the server's order; empty where it cannot be asked. */
  models: { name: string; maxLength: number | null }[];
  /** Such as "vLLM 0.11.0"; null where it does not say. */
  server: string | null;
  /** Why there are no models, with the server's own words; null when there are. */
  problem: string | null;
  /** Of a refusal; null where there was none. */
  status: number | null;
}

const TIMEOUT_MS = 5000;
/** On this host an answer comes at once or not at all. */
const NEAR_TIMEOUT_MS = 1000;
const MAX_BYTES = 4 * 1024 * 1024;
/** Characters of an error that are shown. */
const MAX_WORDS = 200;
/** vLLM's port and its neighbours', then those of llama.cpp, SGLang and Ollama. */
const USUAL_PORTS = [8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007, 8080, 30000, 11434];

/** The address without a slash at its end. Throws RangeError for one that is none. */
export function addressOf(given: string): string {
  const url = /^\w+:\/\//.test(given) ? given : `http://${given}`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw expected("an address such as http://10.0.0.5:8000", given);
  }
  return url.replace(/\/+$/, "");
}

/** The servers on this host's usual ports that speak the API. */
export async function lookAround(key: string | undefined): Promise<string[]> {
  const all = await Promise.all(
    USUAL_PORTS.map((port) => probe(`http://127.0.0.1:${port}`, key, NEAR_TIMEOUT_MS)),
  );
  return all.filter(({ problem }) => problem === null).map(({ url }) => url);
}

/** Never throws: what went wrong is in `problem`. */
export async function probe(
  url: string,
  key: string | undefined,
  timeoutMs = TIMEOUT_MS,
): Promise<Probed> {
  const root = url.replace(/\/v1$/, "");
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(root + path, {
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await shortText(response);
    if (!response.ok) throw new Refusal(path, response.status, text);
    return JSON.parse(text);
  };
  const [models, version] = await Promise.allSettled([ask("/v1/models"), ask("/version")]);
  const server = version.status === "fulfilled" && isObject(version.value) &&
      typeof version.value.version === "string"
    ? `vLLM ${printable(version.value.version)}`
    : null;
  if (models.status === "rejected") {
    const { reason } = models;
    const status = reason instanceof Refusal ? reason.status : null;
    return { url, models: [], server, problem: reasonOf(reason), status };
  }
  const listed = isObject(models.value) && Array.isArray(models.value.data)
    ? models.value.data.filter(isObject).flatMap(({ id, max_model_len }) =>
      typeof id !== "string" || id === "" ? [] : [{
        name: id,
        maxLength: typeof max_model_len === "number" ? max_model_len : null,
      }]
    )
    : [];
  const problem = listed.length > 0 ? null : "/v1/models names no model";
  return { url, models: listed, server, problem, status: null };
}

/** One line on what was found, for a terminal. */
export function inWords({ url, models, server, problem }: Probed): string {
  if (problem !== null) return `${url}: ${problem}`;
  const what = models.map(({ name, maxLength }) =>
    printable(maxLength === null ? name : `${name} (${maxLength} tokens)`)
  );
  return `${url}: ${what.join(", ")}${server === null ? "" : `, ${server}`}`;
}

/** An answer that is none, with what it said. */
class Refusal extends Error {
  constructor(path: string, readonly status: number, body: string) {
    const words = wordsOf(body);
    super(`${path} answered ${status}${words === "" ? "" : `: ${words}`}`);
  }
}

/** What an error body says to people: its message, or its beginning where it has no usual form. */
function wordsOf(body: string): string {
  let said = body;
  try {
    const value = JSON.parse(body);
    const error = isObject(value) ? value.error : null;
    const message = isObject(error) ? error.message : error ?? value?.message ?? value?.detail;
    if (typeof message === "string") said = message;
  } catch {
    // Not JSON: a page of some proxy, or plain text.
  }
  return printable(said, " ").trim().slice(0, MAX_WORDS);
}

async function shortText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_BYTES) throw new Error(`an answer of more than ${MAX_BYTES} bytes`);
  }
  return text + decoder.decode();
}

/** Why a server did not answer, in few words. */
export function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return "/v1/models answered something that is not JSON";
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Refusal) return error.message;
  if (error.name === "TimeoutError") return "does not answer";
  // Deno tells the way to the error too: "… client error (Connect): … : Connection refused (os error 111)".
  const said = error.cause instanceof Error ? error.cause.message : error.message;
  return printable(said.split(": ").at(-1)!.replace(/ \(os error \d+\)$/, ""));
}
