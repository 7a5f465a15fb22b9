// A web service as a guard. Each call is signed where the two share a secret.

import { createHmac } from "node:crypto";
import { Breaker } from "./breaker.ts";
import type { Guard } from "./guard.ts";
import { postJson } from "./post.ts";
import { GuardFault, type GuardQuestion, readVerdict, type Verdict } from "./verdict.ts";

export interface WebhookOptions {
  readonly url: string;
  readonly secret: string | undefined;
  readonly timeoutMs: number;
}

/** Longest call, in bytes. */
const MAX_CALL_BYTES = 256 * 1024;

/** `sha256=` and the HMAC of `time.body` in hex, as GitHub and Stripe have it. */
export function signature(secret: string, time: number, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${time}.${body}`).digest("hex")}`;
}

export class Webhook implements Guard {
  constructor(
    private readonly options: WebhookOptions,
    /** One for all that ask the same address. */
    private readonly breaker = new Breaker(),
    private readonly nowMs: () => number = () => Date.now(),
  ) {}

  async judge(question: GuardQuestion): Promise<Verdict> {
    const body = JSON.stringify(question);
    // Longer in bytes than in characters, never shorter.
    if (new TextEncoder().encode(body).length > MAX_CALL_BYTES) {
      throw new GuardFault("too_large", `more than ${MAX_CALL_BYTES} bytes to look at`);
    }
    const { url, secret, timeoutMs } = this.options;
    const time = Math.floor(this.nowMs() / 1000);
    const signed: Record<string, string> = secret === undefined ? {} : {
      "x-gateway-timestamp": String(time),
      "x-gateway-signature": signature(secret, time, body),
    };
    return await this.breaker.run(async () =>
      readVerdict(await postJson(url, signed, body, timeoutMs), question.texts.length)
    );
  }

  close(): void {
    // Nothing is kept open beyond a call.
  }
}
