// What is handed to the recorder when a request is over: the bytes as they went by, and the facts
// about them. Nothing in it has been decoded yet.

import type { Api } from "../api/api.ts";
import type { Charged, Report, RequestOutcome } from "../observe/report.ts";
import type { Json } from "../json/json.ts";
import { EventStore } from "../sse/event_store.ts";

/** The bytes of a conversation, which stay beside its report: they are large, and may be transferred. */
export class Content {
  constructor(
    /** As the client sent it. */
    readonly requestBody: Uint8Array,
    readonly response: Uint8Array | EventStore | null,
    /** The response as an object, where it has been parsed. */
    readonly parsed: Json | null = null,
    /** The same before policies changed it, where that is kept and they found something. */
    readonly originals: Originals | null = null,
  ) {}
}

/** A conversation as it was asked and generated. */
export interface Originals {
  /** Of the request, which may not have been let pass. */
  readonly api: Api;
  readonly model: string;
  readonly content: Content;
}

export interface Capture {
  id: string;
  api: Api;
  outcome: RequestOutcome;
  error?: string;
  /** The model's name as the client wrote it. */
  model: string;
  /** Name of the instance that answered; "" when none did. */
  instance: string;
  /** Why that one was chosen, where that is known. */
  route?: string;
  /** As the client sent it. */
  requestBody: Uint8Array;
  stream: boolean;
  status: number;
  response: Uint8Array | EventStore | null;
  /** The same as an object, where it has been parsed and is small. */
  parsed?: Json | null;
  /** Wall clock, milliseconds since 1970. */
  startedAtMs: number;
  /** Since the start; null when nothing came. */
  firstByteMs: number | null;
  durationMs: number;
  /** Address of the client. */
  client: string;
  userAgent?: string;
  /** Names of the key and group that it was made for, where there are any. */
  key?: string;
  group?: string;
  /** What was said is not to be recorded, only that it was. */
  wordless?: true;
  /** What that key was charged. */
  charged?: Charged;
  /** What policies did, where any did something. */
  policies?: Report["policies"];
  /** It is what policies found something in, before they changed it. */
  flagged?: true;
  attempts: readonly { instance: string; status?: number; error?: string }[];
  resumed?: readonly { from: string; to: string; way: string; atChars: number }[];
}

/** What a capture takes beside its bytes. */
const OBJECT_BYTES = 1024;

/** Bytes that it takes in memory. */
export function sizeOf({ requestBody, response }: Capture): number {
  const answer = response instanceof EventStore ? response.size : response?.length ?? 0;
  return OBJECT_BYTES + requestBody.length + answer;
}

/** A report of what is recorded: conversations that are not the client's own mistake. */
export type RecordedReport = Report & { readonly api: Api };

export function isRecorded(report: Report): report is RecordedReport {
  return report.api !== null && report.outcome !== "rejected";
}

/** What the recorder gets of a request. */
export function captureOf(report: RecordedReport, content: Content): Capture {
  const { requestBody, response, parsed } = content;
  return {
    id: report.id,
    api: report.api,
    outcome: report.outcome,
    error: report.error === "" ? undefined : report.error,
    model: report.model,
    instance: report.instance,
    route: report.receipt === "" ? undefined : report.receipt,
    requestBody,
    stream: report.stream,
    status: report.status,
    response,
    parsed,
    startedAtMs: report.startedAtMs,
    firstByteMs: report.firstByteMs,
    durationMs: report.durationMs,
    client: report.client,
    userAgent: report.userAgent,
    key: report.caller === null ? undefined : report.caller.key,
    group: report.caller === null ? undefined : report.caller.group || undefined,
    wordless: report.caller === null || report.caller.recordsWords ? undefined : true,
    charged: report.caller === null ? undefined : report.caller.charged,
    policies: report.policies.length === 0 ? undefined : report.policies,
    attempts: report.attempts,
    resumed: report.resumes.length === 0 ? undefined : report.resumes,
  };
}

/** What the recorder gets of a conversation before policies changed it. */
export function flaggedCapture(report: Report, { api, model, content }: Originals): Capture {
  return { ...captureOf({ ...report, api, model }, content), flagged: true };
}
