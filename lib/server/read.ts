// From a client's request to what forwarding needs to know of it: model, stream, number of answers.

import { ForwardRequest } from "../forward/request.ts";
import type { Span } from "../forward/target.ts";
import { type ClientRequest, RequestError } from "../http/client.ts";
import { header } from "../http/message.ts";
import { type Prompt, UNKNOWN_PROMPT } from "../pool/prefix/chain.ts";
import type { BodyFields } from "../api/dialect.ts";
import { type Api, dialectOf, dialects } from "../api/dialects.ts";
import { laxTrue } from "../api/lax.ts";
import {
  type Fields,
  JsonSyntaxError,
  SLICE_BYTES,
  topLevelFields,
  topLevelFieldsInSlices,
} from "./json_fields.ts";
import { PROMPT_FIELDS, promptOf } from "./prompt.ts";
import { boundaryOf, formFields } from "./multipart.ts";

const decoder = new TextDecoder();
const OPEN_LIST = 91;
/** A name, a number or an id in more bytes than these is none. */
const MAX_FIELD_BYTES = 4096;
/** What is quoted of a name that no model has. */
const QUOTED_CHARS = 200;
/** Fields of answers that a server may hold back until a part of them is whole. */
const HOLDING = ["tools", "response_format", "structured_outputs", "guided_json", "text"];
const WANTED = new Set([
  ...HOLDING,
  ...PROMPT_FIELDS,
  "model",
  "stream",
  "previous_response_id",
  "return_token_ids",
  ...Object.values(dialects).flatMap((dialect) => [
    ...dialect.choiceFields,
    ...dialect.promptFields,
  ]),
]);

/** What the body says about routing. */
export interface RequestFields {
  /** null where the body names none. */
  model: string | null;
  modelSpans: readonly Span[];
  jsonBody: boolean;
  stream: boolean;
  choices: number;
  previousResponseId: string | null;
  /** The client asks for token ids. */
  wantsIds: boolean;
  /** The answer has tools or a schema to meet. */
  isHeldBack: boolean;
  prompt: Prompt;
}

const NO_FIELDS: RequestFields = {
  model: null,
  modelSpans: [],
  jsonBody: true,
  stream: false,
  choices: 1,
  previousResponseId: null,
  wantsIds: false,
  isHeldBack: false,
  prompt: UNKNOWN_PROMPT,
};

/** Reads the fields that routing needs; others run while it is at it. Throws RequestError (400, 415). */
export async function readFields(
  request: ClientRequest,
  body: Uint8Array,
  api: Api | null,
): Promise<RequestFields> {
  if (body.length === 0) {
    if (request.method !== "POST") return { ...NO_FIELDS, model: modelInQuery(request.target) };
    throw new RequestError(400, "The request has no body");
  }
  const type = header(request.headers, "content-type") ?? "";
  const boundary = boundaryOf(type);
  if (boundary !== null) return readForm(body, boundary);
  return await readJson(body, api);
}

/** Where there is no body to name it in. */
function modelInQuery(target: string): string | null {
  const at = target.indexOf("?");
  return at < 0 ? null : new URLSearchParams(target.slice(at)).get("model");
}

async function readJson(body: Uint8Array, api: Api | null): Promise<RequestFields> {
  let fields: Fields;
  try {
    fields = body.length > SLICE_BYTES
      ? await topLevelFieldsInSlices(body, WANTED)
      : topLevelFields(body, WANTED);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new RequestError(400, `The request body is not valid JSON: ${error.message}`);
  }
  const { value, list } = bodyFields(body, fields);
  const model = value("model");
  if (model !== undefined && model !== null && typeof model !== "string") {
    throw new RequestError(400, "`model` must be a string");
  }
  const previous = value("previous_response_id");
  return {
    model: model ?? null,
    modelSpans: fields.get("model") ?? [],
    jsonBody: true,
    stream: laxTrue(value("stream")),
    choices: api === null ? 1 : dialectOf(api).choicesOf({ value, list }),
    previousResponseId: typeof previous === "string" ? previous : null,
    wantsIds: laxTrue(value("return_token_ids")),
    isHeldBack: HOLDING.some((name) => fields.has(name)),
    prompt: api === null
      ? { ...UNKNOWN_PROMPT, moreBytes: body.length }
      : promptOf(body, fields, { value, list }, dialectOf(api)),
  };
}

/** The begin of a name that is too long for a model, so that nobody finds one by it. */
function tooLong(body: Uint8Array, start: number): string {
  return `${decoder.decode(body.subarray(start, start + QUOTED_CHARS))}…`;
}

/** A model's name as it may stand in an answer and in the log. */
export function quotedName(model: string): string {
  return model.length > QUOTED_CHARS ? `${model.slice(0, QUOTED_CHARS)}…` : model;
}

/** The fields found in `body`; of one that stands there twice the last, as every server has it. */
function bodyFields(body: Uint8Array, fields: Fields): BodyFields {
  const value = (name: string): unknown => {
    const span = fields.get(name)?.at(-1);
    if (span === undefined) return undefined;
    if (span.end - span.start > MAX_FIELD_BYTES) {
      return name === "model" ? tooLong(body, span.start + 1) : null;
    }
    try {
      return JSON.parse(decoder.decode(body.subarray(span.start, span.end)));
    } catch {
      throw new RequestError(400, `The request body is not valid JSON: malformed \`${name}\``);
    }
  };
  const list = (name: string): { items: number; first: string } | null => {
    const field = fields.get(name)?.at(-1);
    if (field === undefined || body[field.start] !== OPEN_LIST) return null;
    let at = field.start + 1;
    while (body[at] <= 32) at++;
    return { items: field.items, first: String.fromCharCode(body[at]) };
  };
  return { value, list };
}

function readForm(body: Uint8Array, boundary: string): RequestFields {
  const fields = formFields(body, boundary, WANTED);
  if (fields === null) throw new RequestError(400, "The multipart body is malformed");
  const text = (name: string) => {
    const span = fields.get(name)?.at(-1);
    if (span === undefined) return null;
    if (span.end - span.start > MAX_FIELD_BYTES) return tooLong(body, span.start);
    return decoder.decode(body.subarray(span.start, span.end));
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
    api,
    fields.stream,
    fields.choices,
    priorityOf(client),
    stickyTo,
    fields.wantsIds,
    fields.isHeldBack,
    fields.prompt,
  );
}
