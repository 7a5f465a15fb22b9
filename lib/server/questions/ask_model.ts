// Questions that the gateway itself puts to the models of its pools: a guard's verdict, a summary, the length
// of a prompt. They pass no policies, are nobody's to pay for, and are not recorded.

import { upstreamName } from "../../config/names.ts";
import type { Transport } from "../../forward/transport.ts";
import { UpstreamError } from "../../forward/transport.ts";
import { targetUrl } from "../../forward/target.ts";
import type { Fleet } from "../../pool/fleet.ts";
import type { Instance } from "../../pool/instance.ts";
import { GuardFault } from "../../policy/guard/verdict.ts";
import type { Json } from "../../json/json.ts";
import { askInstance } from "./ask_instance.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface ModelAsker {
  readonly fleet: Fleet;
  transportFor(instance: Instance): Transport;
}

/** The JSON of a chat completion by `model`. Throws GuardFault. */
export async function askModel(
  { fleet, transportFor }: ModelAsker,
  model: string,
  body: Json,
  timeoutMs: number,
): Promise<unknown> {
  const lease = fleet.pool(model)?.acquire(() => true) ?? null;
  if (lease === null || lease === "full") {
    throw new GuardFault("error", `no instance of \`${model}\` can be asked`);
  }
  const { instance } = lease;
  try {
    return await post(
      transportFor(instance),
      instance,
      "/v1/chat/completions",
      { ...body, model: upstreamName(instance.config, model) },
      timeoutMs,
    );
  } finally {
    // Its time is shorter than an answer's: being late proves nothing against the instance.
    lease.release("neutral");
  }
}

/** The answer of `/tokenize` of an instance of `model`; null where none gives one. */
export async function askTokens(
  { fleet, transportFor }: ModelAsker,
  model: string,
  prompt: Json,
  timeoutMs: number,
): Promise<number | null> {
  const instance = fleet.pool(model)?.privateInstances.find((one) =>
    one.takesRequests && one.isAvailable
  );
  if (instance === undefined) return null;
  try {
    const body = { ...prompt, model: upstreamName(instance.config, model) };
    const answer = await post(transportFor(instance), instance, "/tokenize", body, timeoutMs);
    const count = (answer as { count?: unknown } | null)?.count;
    return typeof count === "number" && Number.isInteger(count) ? count : null;
  } catch (error) {
    if (error instanceof GuardFault) return null;
    throw error;
  }
}

async function post(
  transport: Transport,
  instance: Instance,
  path: string,
  body: Json,
  timeoutMs: number,
): Promise<unknown> {
  const sent = encoder.encode(JSON.stringify(body));
  const url = targetUrl(instance.config, path);
  try {
    const answer = await askInstance(transport, instance, url, timeoutMs / 1000, [], sent);
    if (answer.status !== 200) throw new GuardFault("error", `answered ${answer.status}`);
    return JSON.parse(decoder.decode(answer.body));
  } catch (error) {
    if (error instanceof SyntaxError) throw new GuardFault("nonsense", "answered no JSON");
    if (!(error instanceof UpstreamError)) throw error;
    throw new GuardFault(error.fault === "timeout" ? "timeout" : "error", error.message);
  }
}
