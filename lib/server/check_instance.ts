// One active health check of one instance, over the transport that its requests use.

import type { HealthCheckConfig } from "../config/config.ts";
import { requestHeaders } from "../forward/header_rules.ts";
import { readFrom, type Transport, UpstreamError } from "../forward/transport.ts";
import type { CheckResult } from "../pool/health_check.ts";
import type { Instance } from "../pool/instance.ts";

/**
 * Alive is any answer below 500: servers without a health path say 404, guarded ones 401. The body is
 * of no interest.
 */
export async function checkInstance(
  transport: Transport,
  instance: Instance,
  config: HealthCheckConfig,
): Promise<CheckResult> {
  const call = transport.start({
    method: "GET",
    url: instance.config.origin + config.path,
    headers: requestHeaders([], instance.config.apiKey, "health"),
    body: [],
    connectTimeoutS: config.timeoutS,
  });
  const message = `no answer to GET ${config.path} within ${config.timeoutS} s`;
  const timer = setTimeout(
    () => call.abort(new UpstreamError("head", "timeout", message)),
    config.timeoutS * 1000,
  );
  try {
    const { status } = await call.head;
    if (status < 500) {
      // Read to the end, so that the connection can be used again.
      while (await readFrom(call) !== null);
      return null;
    }
    return { message: `GET ${config.path} answered ${status}`, unreachable: false };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return { message: error.message, unreachable: error.fault === "refused" };
  } finally {
    clearTimeout(timer);
    call.abort(new Error("no longer needed"));
  }
}
