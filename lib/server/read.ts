// From a client's request to what forwarding needs to know of it: model, stream, number of answers.

import { ForwardRequest } from "../forward/request.ts";
import type { Span } from "../forward/target.ts";
import { type ClientRequest, RequestError } from "../http/client.ts";
import { header } from "../http/message.ts";
import type { Api } from "../api/api.ts";
import { JsonSyntaxError, topLevelFields } from "./json_fields.ts";
import { boundaryOf, formFields } from "./multipart.ts";

const decoder = new TextDecoder();
const WANTED = new Set(["model", "stream", "n", "best_of", "prompt", "previous_response_id"]);

/** What the body says about routing. */
export interface RequestFields {
  /** null where the body names none. */
  model: string | null;
  modelSpans: readonly Span[];
  jsonBody: boolean;
  stream: boolean;
  choices: number;
  previousResponseId: string | null;
}

const NO_FIELDS: RequestFields = {
  model: null,
  modelSpans: [],
  jsonBody: true,
  stream: false,
  choices: 1,
  previousResponseId: null,
};

/** Reads the fields that routing needs. Throws RequestError (400, 415). */
export function readFields(
  request: ClientRequest,
  body: Uint8Array,
  api: Api | null,
): RequestFields {
  if (body.length === 0) {
    if (request.method !== "POST") return NO_FIELDS;
    throw new RequestError(400, "The request has no body");
  }
  const type = header(request.headers, "content-type") ?? "";
  const boundary = boundaryOf(type);
  if (boundary !== null) return readForm(body, boundary);
  return readJson(body, api);
}

function readJson(body: Uint8Array, api: Api | null): RequestFields {
  let fields: Map<string, Span[]>;
  try {
    fields = topLevelFields(body, WANTED);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new RequestError(400, `The request body is not valid JSON: ${error.message}`);
  }
  const value = (name: string): unknown => {
    const span = fields.get(name)?.at(-1);
    if (span === undefined) return undefined;
    try {
      return JSON.parse(decoder.decode(body.subarray(span.start, span.end)));
    } catch {
      throw new RequestError(400, `The request body is not valid JSON: malformed \`${name}\``);
    }
  };
  const model = value("model");
  if (model !== undefined && model !== null && typeof model !== "string") {
    throw new RequestError(400, "`model` must be a string");
  }
  const previous = value("previous_response_id");
  return {
    model: model ?? null,
    modelSpans: fields.get("model") ?? [],
    jsonBody: true,
    stream: value("stream") === true,
    choices: count(value("n")) * promptCount(api, fields.get("prompt")?.at(-1), body),
    previousResponseId: typeof previous === "string" ? previous : null,
  };
}

function count(n: unknown): number {
  return typeof n === "number" && n >= 1 && n <= 10_000 ? Math.floor(n) : 1;
}

/** Prompts of a completion: a list of texts or of token lists is several, one list of tokens is one. */
function promptCount(api: Api | null, span: Span | undefined, body: Uint8Array): number {
  if (api !== "completions" || span === undefined || body[span.start] !== 91) return 1;
  let at = span.start + 1;
  while (body[at] <= 32) at++;
  if (body[at] !== 34 && body[at] !== 91) return 1;
  try {
    return JSON.parse(decoder.decode(body.subarray(span.start, span.end))).length;
  } catch {
    // The instance will refuse it with its own words.
    return 1;
  }
}

function readForm(body: Uint8Array, boundary: string): RequestFields {
  const fields = formFields(body, boundary, WANTED);
  if (fields === null) throw new RequestError(400, "The multipart body is malformed");
  const text = (name: string) => {
    const span = fields.get(name)?.at(-1);
    return span === undefined ? null : decoder.decode(body.subarray(span.start, span.end));
  };
  return {
    ...NO_FIELDS,
    model: text("model"),
    modelSpans: fields.get("model") ?? [],
    jsonBody: false,
    stream: /^(true|1)$/i.test(text("stream") ?? ""),
  };
}

/** `x-priority`: a whole number, higher first; anything else counts as 0. */
export function priorityOf(request: ClientRequest): number {
  const value = Number(header(request.headers, "x-priority") ?? 0);
  return Number.isInteger(value) && Math.abs(value) <= 1000 ? value : 0;
}

/** Everything that forwarding needs, put together. */
export function forwardRequest(
  id: string,
  client: ClientRequest,
  body: Uint8Array,
  api: Api | null,
  fields: RequestFields & { model: string },
  stickyTo: string | null,
): ForwardRequest {
  return new ForwardRequest(
    id,
    client,
    client.target,
    body,
    fields.model,
    fields.modelSpans,
    fields.jsonBody,
    client.method === "POST" ? api : null,
    fields.stream,
    fields.choices,
    priorityOf(client),
    stickyTo,
  );
}
