// What a request's body says of how it is forwarded, and where. It is found by read.ts.

import { bodyWith, Span } from "../forward/target.ts";
import { joined } from "../http/joined.ts";
import type { AnswerForm } from "../policy/answer/rules.ts";
import { type Prompt, UNKNOWN_PROMPT } from "../pool/prefix/chain.ts";
import { withLastField } from "./last_field.ts";

const encoder = new TextEncoder();

/** What the body says about routing. */
export interface RequestFields {
  /** null where the body names none. */
  readonly model: string | null;
  readonly modelSpans: readonly Span[];
  readonly jsonBody: boolean;
  readonly stream: boolean;
  /** Where `stream_options` stand. */
  readonly streamOptions: readonly Span[];
  readonly choices: number;
  readonly previousResponseId: string | null;
  /** The client asks for token ids. */
  readonly wantsIds: boolean;
  /** The answer begins with the prompt. */
  readonly echoes: boolean;
  /** The answer has tools or a schema to meet. */
  readonly isHeldBack: boolean;
  /** The client wants nothing of the answer to be kept. */
  readonly isForgotten: boolean;
  /** What the request fixes of the answer's form. */
  readonly form: AnswerForm;
  readonly prompt: Prompt;
  /** The session that the body names; null where it names none. */
  readonly session: string | null;
}

/** The same of a request whose model is known. */
export type NamedFields = RequestFields & { readonly model: string };

export const NO_SPANS: readonly Span[] = [];

/** Of a request that says nothing. */
export const NO_FIELDS: RequestFields = {
  model: null,
  modelSpans: NO_SPANS,
  jsonBody: true,
  stream: false,
  streamOptions: NO_SPANS,
  choices: 1,
  previousResponseId: null,
  wantsIds: false,
  echoes: false,
  isHeldBack: false,
  isForgotten: false,
  form: "free",
  prompt: UNKNOWN_PROMPT,
  session: null,
};

/** A body that has been read. */
export interface ReadBody {
  readonly body: Uint8Array;
  /** Of `body`. */
  readonly fields: RequestFields;
}

/**
 * The body with another name for its model, or with one where it has none. What stands behind that has moved,
 * and need not be read again.
 */
export function withModel({ body, fields }: ReadBody, model: string): ReadBody {
  const { modelSpans, jsonBody, streamOptions, prompt } = fields;
  if (jsonBody && modelSpans.length === 0 && body.length > 0) {
    const added = withLastField(body, "model", model);
    return { body: added.body, fields: { ...fields, model, modelSpans: [added.span] } };
  }
  const bytes = encoder.encode(jsonBody ? JSON.stringify(model) : model);
  /** Where `place` is then; `names` are those before it. */
  const placeOf = (place: number, names: readonly Span[]) =>
    names.reduce((sum, { start, end }) => sum + bytes.length - (end - start), place);
  const moved = ({ start, end }: Pick<Span, "start" | "end">) => {
    const before = (place: number) => modelSpans.filter((name) => name.end <= place);
    return new Span(placeOf(start, before(start)), placeOf(end, before(end)));
  };
  // One without a letter begins where it ends.
  const movedName = ({ start }: Span, index: number) => {
    const from = placeOf(start, modelSpans.slice(0, index));
    return new Span(from, from + bytes.length);
  };
  return {
    body: joined(bodyWith(body, modelSpans.map((span) => ({ span, bytes })))),
    fields: {
      ...fields,
      model,
      modelSpans: modelSpans.map(movedName),
      streamOptions: streamOptions.map(moved),
      prompt: { ...prompt, parts: prompt.parts.map(moved) },
    },
  };
}
