// Asks one instance now, on somebody's behalf who looks at it: whether its server answers, whether it lists what
// the configuration has it serve, and whether its engine makes a token. It counts for nothing: neither lease
// nor health know of it.

import { readError, tamed } from "../../api/error.ts";
import type { HealthCheckConfig } from "../../config/config.ts";
import { upstreamName } from "../../config/names.ts";
import { Secret } from "../../forward/secret.ts";
import { targetUrl } from "../../forward/target.ts";
import { type Transport, UpstreamError } from "../../forward/transport.ts";
import type { Instance } from "../../pool/instance.ts";
import { askInstance, type OwnAnswer } from "./ask_instance.ts";

/** A token of an engine that is not hung comes sooner, whatever stands in its line; less where answers have less. */
const TOKEN_TIMEOUT_S = 20;
/** Names of models that are told. */
const NAMED = 10;

/** `fine` and `no_model_of_words` are good, the others are not. */
export type ProbeOutcome =
  | "fine"
  /** It answered, but such a model is asked otherwise: nothing is proved. */
  | "no_model_of_words"
  | "refuses_key"
  | "not_listed"
  | "no_list"
  | "error"
  | "no_answer";

/** Names of fields are those of the JSON. */
export interface ProbeStep {
  /** Such as "GET /health". */
  readonly asked: string;
  readonly outcome: ProbeOutcome;
  readonly ms: number;
  /** null where there was no answer. */
  readonly status: number | null;
  /** What it said or lists, or why there was no answer. */
  readonly detail: string;
}

/** In the order in which it was asked; after no answer at all nothing more is. */
export async function probeInstance(
  transport: Transport,
  instance: Instance,
  healthCheck: HealthCheckConfig,
  now: () => number,
): Promise<ProbeStep[]> {
  const secret = new Secret(instance.config.apiKey);
  const steps: ProbeStep[] = [];
  const models = instance.config.models;
  const questions: Question[] = [
    { method: "GET", path: healthCheck.path, timeoutS: healthCheck.timeoutS, judge: judgeHealth },
    {
      method: "GET",
      path: "/v1/models",
      timeoutS: healthCheck.timeoutS,
      judge: (answer) => judgeModels(answer, instance),
    },
    ...(models.length === 0 ? [] : [{
      method: "POST" as const,
      path: "/v1/chat/completions",
      timeoutS: Math.min(TOKEN_TIMEOUT_S, instance.config.timeouts.firstByteS),
      body: {
        model: upstreamName(instance.config, models[0]),
        messages: [{ role: "user", content: "Say ok." }],
        max_tokens: 1,
      },
      judge: judgeToken,
    }]),
  ];
  for (const question of questions) {
    const step = await ask(transport, instance, question, now);
    steps.push({ ...step, detail: secret.text(tamed(step.detail)) });
    if (step.outcome === "no_answer") break;
  }
  return steps;
}

/** An answer of one instance to a chat request that somebody wrote; never streamed. */
export interface TriedAnswer {
  /** 504 and its reason where there was none. */
  readonly status: number;
  readonly ms: number;
  readonly text: string;
}

const TRY_TIMEOUT_S = 120;
/** Characters of an answer that are shown. */
const MAX_TRIED = 200_000;

/** Sends a chat request to this instance and no other; it counts for nothing. */
export async function tryInstance(
  transport: Transport,
  instance: Instance,
  body: Readonly<Record<string, unknown>>,
  now: () => number,
): Promise<TriedAnswer> {
  const { stream: _, stream_options: __, ...rest } = body;
  const { apiKey } = instance.config;
  const model = String(rest.model ?? "");
  const sent = JSON.stringify({ ...rest, model: upstreamName(instance.config, model) });
  const secret = new Secret(apiKey);
  const begun = now();
  try {
    const answer = await askInstance(
      transport,
      instance,
      targetUrl(instance.config, "/v1/chat/completions"),
      TRY_TIMEOUT_S,
      [],
      new TextEncoder().encode(sent),
    );
    const text = secret.text(new TextDecoder().decode(answer.body).slice(0, MAX_TRIED));
    return { status: answer.status, ms: Math.round(now() - begun), text };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const text = secret.text(error.message);
    return { status: 504, ms: Math.round(now() - begun), text };
  }
}

interface Judged {
  readonly outcome: ProbeOutcome;
  readonly detail: string;
}

interface Question {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly timeoutS: number;
  readonly body?: unknown;
  judge(answer: OwnAnswer): Judged;
}

async function ask(
  transport: Transport,
  instance: Instance,
  { method, path, timeoutS, body, judge }: Question,
  now: () => number,
): Promise<ProbeStep> {
  const asked = `${method} ${path}`;
  const begun = now();
  const since = () => Math.round(now() - begun);
  try {
    const url = targetUrl(instance.config, path);
    const sent = body === undefined ? null : new TextEncoder().encode(JSON.stringify(body));
    const answer = await askInstance(transport, instance, url, timeoutS, [], sent);
    return { asked, ...judge(answer), ms: since(), status: answer.status };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return { asked, outcome: "no_answer", ms: since(), status: null, detail: error.message };
  }
}

/** As the checks have it: servers without a health path say 404, guarded ones 401. */
function judgeHealth({ status, body }: OwnAnswer): Judged {
  return status < 500 ? { outcome: "fine", detail: "" } : errorOf(status, body);
}

function judgeModels({ status, body }: OwnAnswer, { config }: Instance): Judged {
  if (status === 401 || status === 403) return { ...errorOf(status, body), outcome: "refuses_key" };
  if (status !== 200) return { ...errorOf(status, body), outcome: "no_list" };
  const listed = idsIn(body);
  if (listed === null) return { outcome: "no_list", detail: "" };
  const names = listed.slice(0, NAMED).join(", ");
  const missing = config.models.map((model) => upstreamName(config, model))
    .filter((model) => !listed.includes(model));
  return missing.length === 0 || config.listsModels
    ? { outcome: "fine", detail: names }
    : { outcome: "not_listed", detail: `${missing.slice(0, NAMED).join(", ")}; ${names}` };
}

function judgeToken({ status, body }: OwnAnswer): Judged {
  if (status === 200) {
    const { usage } = jsonIn(body) as { usage?: unknown } ?? {};
    return usage === undefined
      ? { outcome: "error", detail: "an answer that is no chat completion" }
      : { outcome: "fine", detail: "" };
  }
  const error = readError(body, status);
  if (error.refusesKey) return { outcome: "refuses_key", detail: error.message };
  // A model of embeddings or of speech lives, and does not chat.
  const isOtherwise = [400, 404, 405, 501].includes(status) && error.lacks !== "model";
  return { outcome: isOtherwise ? "no_model_of_words" : "error", detail: error.message };
}

function errorOf(status: number, body: Uint8Array): Judged {
  return { outcome: "error", detail: readError(body, status).message };
}

function idsIn(body: Uint8Array): string[] | null {
  const data = (jsonIn(body) as { data?: unknown } | null)?.data;
  if (!Array.isArray(data)) return null;
  return data.map((entry) => entry?.id).filter((id): id is string => typeof id === "string");
}

function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
