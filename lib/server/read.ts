// From a client's request to what forwarding needs to know of it: model, stream, number of answers.

import type { SessionConfig } from "../config/routing.ts";
import { type ClientRequest, RequestError } from "../http/client.ts";
import { latin1Text } from "../http/latin1.ts";
import { header } from "../http/message.ts";
import { UNKNOWN_PROMPT } from "../pool/prefix/chain.ts";
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
import { answerFormOf, FORM_FIELDS } from "./answer_form.ts";
import { PROMPT_FIELDS, promptOf } from "./prompt.ts";
import { NO_FIELDS, NO_SPANS, type RequestFields } from "./request_fields.ts";
import { sessionInBody } from "./session.ts";
import { boundaryOf, formFields, isForm } from "./multipart.ts";

const decoder = new TextDecoder();
const OPEN_LIST = 91;
const QUOTE = 34;
const BACKSLASH = 92;
/** A name, a number or an id in more bytes than these is none. */
const MAX_FIELD_BYTES = 4096;
/** What is quoted of a name that no model has. */
const QUOTED_CHARS = 200;
/** Fields of answers that a server may hold back until a part of them is whole. */
const HOLDING = ["tools", "response_format", "structured_outputs", "guided_json", "text"];
const WANTED = new Set([
  ...HOLDING,
  ...FORM_FIELDS,
  ...PROMPT_FIELDS,
  "model",
  "stream",
  "previous_response_id",
  "return_token_ids",
  "echo",
  "store",
  "stream_options",
  ...Object.values(dialects).flatMap((dialect) => [
    ...dialect.choiceFields,
    ...dialect.promptFields,
    ...dialect.answerLengthFields,
  ]),
]);

/**
 * Reads the fields that routing needs; at once in a small body, and others run while it is at a large one.
 * Throws RequestError (400, 415).
 */
export function readFields(
  request: Pick<ClientRequest, "method" | "target" | "headers">,
  body: Uint8Array,
  api: Api | null,
  session: SessionConfig | null = null,
): RequestFields | Promise<RequestFields> {
  if (body.length === 0) {
    if (request.method !== "POST") return { ...NO_FIELDS, model: modelInQuery(request.target) };
    throw new RequestError(400, "The request has no body");
  }
  const type = header(request.headers, "content-type") ?? "";
  if (isForm(type)) return readForm(body, boundaryOf(type));
  const wanted = wantedFor(session);
  if (body.length > SLICE_BYTES) return readLongJson(body, api, session, wanted);
  try {
    return fieldsOf(body, topLevelFields(body, wanted), api, session);
  } catch (error) {
    throw inWords(error);
  }
}

/** Where there is no body to name it in. */
function modelInQuery(target: string): string | null {
  const at = target.indexOf("?");
  return at < 0 ? null : new URLSearchParams(target.slice(at)).get("model") || null;
}

const wantedWith = new WeakMap<SessionConfig, ReadonlySet<string>>();

/** All fields that are looked for, those that name a session among them. */
function wantedFor(session: SessionConfig | null): ReadonlySet<string> {
  if (session === null) return WANTED;
  let wanted = wantedWith.get(session);
  if (wanted === undefined) {
    wantedWith.set(session, wanted = new Set([...WANTED, ...session.body]));
  }
  return wanted;
}

async function readLongJson(
  body: Uint8Array,
  api: Api | null,
  session: SessionConfig | null,
  wanted: ReadonlySet<string>,
): Promise<RequestFields> {
  try {
    return fieldsOf(body, await topLevelFieldsInSlices(body, wanted), api, session);
  } catch (error) {
    throw inWords(error);
  }
}

function inWords(error: unknown): unknown {
  return error instanceof JsonSyntaxError
    ? new RequestError(400, `The request body is not valid JSON: ${error.message}`)
    : error;
}

function fieldsOf(
  body: Uint8Array,
  fields: Fields,
  api: Api | null,
  session: SessionConfig | null,
): RequestFields {
  const { value, list } = bodyFields(body, fields);
  const model = value("model");
  if (model !== undefined && model !== null && typeof model !== "string") {
    throw new RequestError(400, "`model` must be a string");
  }
  const previous = value("previous_response_id");
  // In the order of RequestFields: they are all of one shape.
  return {
    // An empty name is none, as it is to vLLM.
    model: model || null,
    modelSpans: fields.get("model") ?? NO_SPANS,
    jsonBody: true,
    stream: laxTrue(value("stream")),
    streamOptions: fields.get("stream_options") ?? NO_SPANS,
    choices: api === null ? 1 : dialectOf(api).choicesOf({ value, list }),
    previousResponseId: typeof previous === "string" ? previous : null,
    wantsIds: laxTrue(value("return_token_ids")),
    echoes: laxTrue(value("echo")),
    isHeldBack: HOLDING.some((name) => fields.has(name)),
    isForgotten: value("store") === false,
    form: answerFormOf(fields, value),
    prompt: api === null
      ? { ...UNKNOWN_PROMPT, moreBytes: body.length }
      : promptOf(body, fields, { value, list }, dialectOf(api)),
    session: session === null ? null : sessionInBody(session, value),
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
      // A server may still read a number in it, and give so many answers.
      if (name === "n") throw new RequestError(400, "`n` must be a number, in fewer bytes");
      return name === "model" ? tooLong(body, span.start + 1) : null;
    }
    const simple = simpleValue(body, span.start, span.end);
    if (simple !== undefined) return simple;
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

/**
 * The literal or the string of plain characters that stands there, without a parser's help: of most fields
 * that is all. undefined for anything else.
 */
function simpleValue(body: Uint8Array, start: number, end: number): string | boolean | undefined {
  if (body[start] === QUOTE && body[end - 1] === QUOTE && end - start >= 2) {
    for (let at = start + 1; at < end - 1; at++) {
      const byte = body[at];
      if (byte < 32 || byte >= 127 || byte === BACKSLASH || byte === QUOTE) return undefined;
    }
    return latin1Text(body, start + 1, end - 1);
  }
  const length = end - start;
  if (length === 4 && isText(body, start, "true")) return true;
  if (length === 5 && isText(body, start, "false")) return false;
  return undefined;
}

function isText(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

function readForm(body: Uint8Array, boundary: string | null): RequestFields {
  if (boundary === null) {
    throw new RequestError(400, "The Content-Type of the form must name one `boundary`, and UTF-8");
  }
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
    model: text("model") || null,
    modelSpans: fields.get("model") ?? NO_SPANS,
    jsonBody: false,
    stream: /^(true|1)$/i.test(text("stream") ?? ""),
  };
}
