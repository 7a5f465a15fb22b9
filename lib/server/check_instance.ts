// One active health check of one instance.

import type { HealthCheckConfig } from "../config/config.ts";
import { type Transport, UpstreamError } from "../forward/transport.ts";
import type { CheckResult } from "../pool/health_check.ts";
import type { Instance } from "../pool/instance.ts";
import { askInstance } from "./ask_instance.ts";

/**
 * Alive is any answer below 500: servers without a health path say 404, guarded ones 401. The body is
 * of no interest.
 */
export async function checkInstance(
  transport: Transport,
  instance: Instance,
  config: HealthCheckConfig,
): Promise<CheckResult> {
  try {
    const url = instance.config.origin + config.path;
    const { status } = await askInstance(transport, instance, url, config.timeoutS);
    if (status < 500) return null;
    return { message: `GET ${config.path} answered ${status}`, unreachable: false };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    return { message: error.message, unreachable: error.fault === "refused" };
  }
}
