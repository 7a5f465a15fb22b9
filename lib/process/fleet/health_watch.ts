// Active health checks as the process runs them: through the transports of its own isolate, counted, and
// at once where requests have found an instance bad.

import type { HealthCheckConfig } from "../../config/config.ts";
import type { Tally } from "../../observe/tally.ts";
import { type CheckResult, HealthChecker } from "../../pool/health_check.ts";
import type { Instance } from "../../pool/instance.ts";
import type { PoolEvent } from "../../pool/outlier.ts";
import { Roster } from "../../pool/roster.ts";
import { InstanceCheck } from "../../server/questions/check_instance.ts";
import type { Runtime } from "../runtime.ts";
import type { Reloadable, Snapshot, Snapshots } from "../snapshots.ts";

export class HealthWatch implements Reloadable {
  readonly #checker: HealthChecker;
  readonly #instanceCheck: InstanceCheck;

  constructor(
    private readonly snapshots: Snapshots,
    private readonly runtime: Runtime,
    private readonly tally: Tally,
  ) {
    const { healthCheck } = snapshots.config;
    const roster = new Roster();
    snapshots.join(roster);
    this.#instanceCheck = new InstanceCheck(roster, () => performance.now());
    this.#checker = new HealthChecker(
      runtime.fleet,
      healthCheck,
      (instance, options) => this.#check(instance, options),
      (instance) => runtime.verifyModels(instance),
      Math.random,
    );
    snapshots.join(this);
  }

  /** Checks from now on. */
  start(): void {
    this.apply(this.snapshots.current);
  }

  apply({ config }: Snapshot): void {
    this.#checker.configure(config.healthCheck);
  }

  poolEvent({ kind, instance: name }: PoolEvent): void {
    if (kind !== "instance_ejected") return;
    const ejected = this.runtime.fleet.instances.find((one) => one.name === name);
    if (ejected !== undefined) this.#checker.checkSoon(ejected);
  }

  close(): void {
    this.#checker.close();
  }

  async #check(instance: Instance, options: HealthCheckConfig): Promise<CheckResult> {
    const transport = this.runtime.transportFor(instance);
    const result = await this.#instanceCheck.run(transport, instance, options);
    if (result?.kind === "unknown") return result;
    this.tally.healthCheck(instance.name, result === null || result.kind === "asleep");
    return result;
  }
}
