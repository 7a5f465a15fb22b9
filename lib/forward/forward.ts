// The way of all requests of an isolate: what they share, the caller's limits, then one row of attempts for
// each (delivery.ts).

import type { Config } from "../config/config.ts";
import type { ClientReply } from "../http/client.ts";
import { Account } from "./account.ts";
import { IdsRefused } from "./ask.ts";
import { Hedging } from "./hedge/hedging.ts";
import { ClientStream } from "./client_stream.ts";
import type { ForwardRequest, Terms } from "./request.ts";
import { Killers } from "./killers.ts";
import { OptionRefused } from "./option_refused.ts";
import type { NoAnswer } from "./refusal.ts";
import { RetryBudget, type RetryLimits } from "./retry_budget.ts";
import { Route } from "./route.ts";
import { streamErrorEvent } from "./stream_error.ts";
import { Delivery, type DeliveryParts, type SharedParts } from "./delivery.ts";

/** Second attempts on the pool, after the first has failed. */
const ON_POOL: RetryLimits = { share: 0.2, atFirst: 10, most: 100 };

export class Forwarder {
  readonly #budget = new RetryBudget(ON_POOL);
  readonly #parts: SharedParts;

  constructor(parts: DeliveryParts) {
    const { fleet, roster } = parts;
    const now = () => performance.now();
    this.#parts = {
      ...parts,
      idsRefused: new IdsRefused(roster, now),
      usageRefused: new OptionRefused(roster, now),
      killers: new Killers(fleet),
      hedging: new Hedging(
        roster,
        (instance, message) => fleet.outlier.markHung(instance, message),
      ),
    };
  }

  /**
   * Answers the client in any case; never rejects for what an instance or the client does. RequestError
   * where the model is served no more.
   */
  async forward(request: ForwardRequest, reply: ClientReply, config: Config): Promise<Account> {
    const parts = this.#parts;
    const client = new ClientStream(request, reply, config, parts.clock);
    try {
      const gate = request.terms?.gate ?? null;
      const since = gate === null ? 0 : performance.now();
      const stopped = gate === null ? null : await stoppedAt(gate, request, client);
      if (stopped !== null) return stopped;
      const refusal = parts.killers.refusal(request);
      if (refusal !== null) return await refused(refusal, client);
      const gatedMs = gate === null ? 0 : performance.now() - since;
      this.#budget.deposit();
      parts.hedging.budget.deposit();
      using route = new Route(request, config, parts, this.#budget);
      const delivery = new Delivery(request, client, route, config, parts);
      await delivery.run();
      delivery.account.waitedMs = gatedMs + route.waitedMs;
      return delivery.account;
    } finally {
      client.close();
    }
  }
}

/** It has killed engines a while ago, and is given to nobody. */
async function refused(refusal: NoAnswer, client: ClientStream): Promise<Account> {
  const account = new Account();
  account.killed = [];
  account.end("failed", refusal.status, refusal.message);
  await client.refuse(refusal);
  return account;
}

/** Waits for the caller's limits; what came of a request that did not pass, else null. Throws RequestError. */
async function stoppedAt(
  gate: NonNullable<Terms["gate"]>,
  request: ForwardRequest,
  client: ClientStream,
): Promise<Account | null> {
  const passed = await gate();
  if (passed === "passed") return null;
  if (passed === "gone") {
    const account = new Account();
    account.left();
    return account;
  }
  if (!client.begun) throw passed;
  const { status, message } = passed;
  await client.endWithError(streamErrorEvent(request.api, status, message));
  return Account.rejected(status, message);
}
