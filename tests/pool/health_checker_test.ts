// When an instance is checked out of turn.

import assert from "node:assert/strict";
import type { Fleet } from "../../lib/pool/fleet.ts";
import { HealthChecker, type HealthVerdict } from "../../lib/pool/health_check.ts";
import { waitFor } from "../support/wait.ts";
import { config, FleetStand } from "./stand.ts";

Deno.test("a request that fails while its instance is being checked has it checked once more", async () => {
  const options = {
    instances: [{ url: "http://10.0.0.1:8000", model_name: "m", name: "a" }],
    health_check: { interval: 600 },
  };
  const stand = new FleetStand(options);
  let looks = 0;
  const fleet = {
    now: () => stand.clock,
    outlier: stand.fleet.outlier,
    get instances() {
      looks++;
      return stand.fleet.instances;
    },
  } as unknown as Fleet;
  let checks = 0;
  const check = () => {
    checks++;
    return Promise.resolve(null);
  };
  const learned = Promise.withResolvers<HealthVerdict>();
  let learns = false;
  const learn = () => {
    learns = true;
    return learned.promise;
  };
  const { healthCheck } = config(options);
  const checker = new HealthChecker(fleet, healthCheck, check, learn, () => 0);
  checker.configure(healthCheck);
  await waitFor(() => learns, "its models to be asked for");
  stand.clock += 5000;
  stand.once("failure");
  const before = looks;
  await waitFor(() => looks > before + 1, "a look at failures");
  assert.equal(checks, 1);
  learned.resolve({ kind: "right" });
  await waitFor(() => checks === 2, "the check", 5000);
  checker.close();
});

Deno.test("an instance whose check throws is checked again", async () => {
  const options = {
    instances: [{ url: "http://10.0.0.1:8000", model_name: "m", name: "a" }],
    health_check: { interval: 0.1 },
  };
  const stand = new FleetStand(options);
  let checks = 0;
  const check = () => ++checks === 1 ? Promise.reject(new Error("no")) : Promise.resolve(null);
  const learn = () => Promise.resolve<HealthVerdict>({ kind: "unknown" });
  const { healthCheck } = config(options);
  const checker = new HealthChecker(stand.fleet, healthCheck, check, learn, () => 0);
  checker.configure(healthCheck);
  await waitFor(() => checks > 1, "one more check", 5000);
  checker.close();
});
