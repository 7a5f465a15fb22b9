// The gateway's own small questions to an instance, over the transport that its requests use: within a
// time and a size.

import { requestHeaders } from "../../forward/header_rules.ts";
import { targetUrl } from "../../forward/target.ts";
import { readFrom, type Transport, UpstreamError } from "../../forward/transport.ts";
import { fairTimer } from "../../machine/fair_timer.ts";
import { joined } from "../../http/joined.ts";
import type { ModelEntry, ModelsAnswer } from "../../pool/discovery/models.ts";
import type { HeaderList } from "../../http/message.ts";
import type { Instance } from "../../pool/instance.ts";

const MAX_BYTES = 4 * 1024 * 1024;

export interface OwnAnswer {
  status: number;
  /** What came of it, up to MAX_BYTES. */
  body: Uint8Array;
}

const JSON_BODY = [["content-type", "application/json"]] as const;

/**
 * GET `url`, or POST it with a JSON body, with the instance's own key, or else with what `client` brings.
 * Throws UpstreamError, also when the time is over.
 */
export async function askInstance(
  transport: Transport,
  instance: Instance,
  url: string,
  timeoutS: number,
  client: HeaderList = [],
  body: Uint8Array | null = null,
): Promise<OwnAnswer> {
  const given = body === null ? client : [...client, ...JSON_BODY];
  const method = body === null ? "GET" : "POST";
  const call = transport.start({
    method,
    url,
    headers: requestHeaders(given, instance.config.apiKey, "gateway"),
    body: body === null ? [] : [body],
    connectTimeoutS: timeoutS,
  });
  const path = new URL(url).pathname;
  const late = new UpstreamError(
    "head",
    "timeout",
    `no answer to ${method} ${path} within ${timeoutS} s`,
  );
  // A loop that was held up says nothing of the instance.
  const stop = fairTimer(timeoutS * 1000, () => call.abort(late));
  try {
    const { status } = await call.head;
    const pieces: Uint8Array[] = [];
    let size = 0;
    // Read to the end, so that the connection can be used again.
    for (let piece = await readFrom(call); piece !== null; piece = await readFrom(call)) {
      size += piece.length;
      if (size > MAX_BYTES) break;
      pieces.push(piece.slice());
    }
    return { status, body: joined(pieces) };
  } finally {
    stop();
    call.abort(new Error("no longer needed"));
  }
}

/** More text than this is no server's metrics. */
const MAX_METRICS_BYTES = 2 * 1024 * 1024;

/** The text of the instance's metrics; null where there is none. */
export async function askMetrics(
  transport: Transport,
  instance: Instance,
  path: string,
  timeoutS: number,
): Promise<string | null> {
  try {
    const url = targetUrl(instance.config, path);
    const { status, body } = await askInstance(transport, instance, url, timeoutS);
    if (status !== 200 || body.length > MAX_METRICS_BYTES) return null;
    return new TextDecoder().decode(body);
  } catch (error) {
    if (error instanceof UpstreamError) return null;
    throw error;
  }
}

/** What the instance's /v1/models says. */
export async function askModels(
  transport: Transport,
  instance: Instance,
  timeoutS: number,
): Promise<ModelsAnswer> {
  try {
    const url = targetUrl(instance.config, "/v1/models");
    const { status, body } = await askInstance(transport, instance, url, timeoutS);
    if (status === 401) return { kind: "refused", status };
    if (status !== 200) return { kind: "none" };
    const data = (JSON.parse(new TextDecoder().decode(body)) as { data?: unknown } | null)?.data;
    if (!Array.isArray(data)) return { kind: "none" };
    const entries = data.filter((entry): entry is ModelEntry => typeof entry?.id === "string");
    return { kind: "list", entries };
  } catch (error) {
    if (error instanceof UpstreamError || error instanceof SyntaxError) return { kind: "none" };
    throw error;
  }
}

/** Whether the instance keeps this stored response, for a client with these headers. */
export async function hasResponse(
  transport: Transport,
  instance: Instance,
  responseId: string,
  client: HeaderList,
  timeoutS: number,
): Promise<boolean> {
  const credentials = client.filter(([name]) => name === "authorization" || name === "x-api-key");
  // It is a client's word: nothing else of the instance is asked for by it.
  const path = `/v1/responses/${encodeURIComponent(responseId.toWellFormed())}`;
  const url = targetUrl(instance.config, path);
  try {
    const { status } = await askInstance(transport, instance, url, timeoutS, credentials);
    return status === 200;
  } catch (error) {
    if (error instanceof UpstreamError) return false;
    throw error;
  }
}
