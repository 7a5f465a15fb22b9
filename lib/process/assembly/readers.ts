// Who reads finished requests: what is written down, what is booked, what the pages count.

import { AgeClock } from "../../observe/age_clock.ts";
import { Failing } from "../../observe/failing.ts";
import { FeltByClients } from "../../observe/felt.ts";
import { FirstTokens } from "../../observe/first_tokens.ts";
import { PolicyHistory } from "../../observe/policy_history.ts";
import type { Runtime } from "../runtime.ts";
import { Accounts } from "../callers/accounts.ts";
import { KeyWatch } from "../callers/key_watch.ts";
import { SharedLimits } from "../callers/shared_limits.ts";
import { Housekeeping } from "../disk/housekeeping.ts";
import { MinuteLog } from "../disk/minute_log.ts";
import { Recording } from "../disk/recording.ts";
import { RequestLog } from "../disk/request_log.ts";
import { StoredFile } from "../disk/stored_file.ts";
import { FinishedRequests } from "../finished_requests.ts";
import { Decisions } from "../pages/decisions.ts";
import type { Foundations } from "./foundations.ts";

export type Readers = ReturnType<typeof readers>;

/** `runtime` is asked for later, when there is one. */
export function readers(
  { shared, usage, snapshots, logs, tally, bulletin }: Foundations,
  runtime: () => Runtime,
) {
  const recording = new Recording(snapshots, bulletin);
  const ages = new AgeClock();
  const requests = new RequestLog(snapshots, bulletin, ages);
  const housekeeping = new Housekeeping(snapshots, () => new Date(), () => ages.now());
  const inFlight = () => runtime().reception.inFlight();
  const accounts = new Accounts(usage, snapshots, bulletin, inFlight);
  const storedFile = new StoredFile(shared, snapshots);
  const keyWatch = new KeyWatch(snapshots, bulletin);
  const decisions = new Decisions();
  const failing = new Failing(() => Date.now());
  const policies = new PolicyHistory(() => Date.now());
  const felt = new FeltByClients(
    () => Date.now(),
    (name) => snapshots.config.instances.some((one) => one.fallback && one.name === name),
  );
  const firstTokens = new FirstTokens(() => performance.now());
  firstTokens.configure(snapshots.config);
  snapshots.join({ apply: ({ config }) => firstTokens.configure(config) });
  const minutes = new MinuteLog(
    snapshots,
    bulletin.feed,
    () => runtime().fleet,
    () => Date.now(),
    ages,
  );
  const finished = new FinishedRequests([
    logs,
    tally,
    decisions,
    failing,
    policies,
    felt,
    firstTokens,
    minutes,
    recording,
    requests,
    accounts,
    bulletin,
  ]);
  const sharedLimits = new SharedLimits(usage, snapshots, bulletin, accounts);
  return {
    ...{ ages, recording, requests, housekeeping, accounts, storedFile, keyWatch, sharedLimits },
    ...{ decisions, failing, policies, felt, firstTokens, minutes, finished },
  };
}
