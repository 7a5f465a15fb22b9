// GET /metrics of this process: gathers what a scrape sees and answers with it as text.

import type { AdminReply, AdminRequest } from "../../http/admin.ts";
import { reply, textReply } from "../../http/admin_reply.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { DiskSpace, lookAtProcess } from "../../observe/metrics/machine.ts";
import type { DiscoveryLook, Look } from "../../observe/metrics/metric.ts";
import type { PeersLook } from "../../observe/metrics/peers_look.ts";
import type { SharedStateLook } from "../../observe/metrics/shared_state_look.ts";
import type { UsageLook } from "../../observe/metrics/usage_look.ts";
import type { Tally } from "../../observe/tally.ts";
import type { Fleet } from "../../pool/fleet.ts";
import { isServing } from "../../pool/service.ts";
import type { RecordStats } from "../../record/writer.ts";
import type { Snapshots } from "../snapshots.ts";
import { VERSION } from "../version.ts";

/** What the process lends. */
export interface MetricsParts {
  tally: Tally;
  fleet: Fleet;
  snapshots: Snapshots;
  records(): RecordStats;
  usage(): UsageLook | null;
  sharedState(): SharedStateLook | null;
  discovery(): readonly DiscoveryLook[];
  peers(): PeersLook | null;
  isolates(): number;
  saturated(): number;
  turnedAway(): Readonly<Record<string, number>>;
  bodies(): Look["bodies"];
}

async function newMetrics(): Promise<Metrics> {
  const { Metrics } = await import("../../observe/metrics.ts");
  return new Metrics();
}

export class MetricsPage {
  #metrics: Promise<Metrics> | null = null;
  readonly #disk = new DiskSpace();

  constructor(private readonly parts: MetricsParts) {}

  async handle(request: AdminRequest): Promise<AdminReply> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return textReply(405, "Method Not Allowed", [["allow", "GET, HEAD"]]);
    }
    // With the first question, since its library takes 6 MiB and many gateways are never asked.
    const metrics = await (this.#metrics ??= newMetrics());
    const diskFreeBytes = await this.#disk.freeBytes(this.parts.snapshots.config.dataDir);
    return reply(200, metrics.contentType, await metrics.text(this.#look(diskFreeBytes)));
  }

  #look(diskFreeBytes: number | null): Look {
    const { tally, fleet, records, usage, sharedState, discovery, peers } = this.parts;
    const { isolates, saturated, turnedAway, bodies } = this.parts;
    const instances = fleet.instances.map((one) => ({
      name: one.name,
      models: one.config.models,
      state: one.state,
      inFlight: one.inFlight,
      maxConcurrency: one.config.maxConcurrency,
    }));
    return {
      tally,
      instances,
      models: fleet.models.map((name) => ({
        name,
        waiting: fleet.pool(name)?.waiting ?? 0,
        available:
          fleet.instances.filter((one) => one.config.models.includes(name) && isServing(one))
            .length,
      })),
      records: { ...records(), diskFreeBytes },
      usage: usage(),
      sharedState: sharedState(),
      discovery: discovery(),
      routing: fleet.routingLook(),
      peers: peers(),
      process: lookAtProcess(),
      version: VERSION,
      workers: isolates(),
      saturatedWorkers: saturated(),
      turnedAway: turnedAway(),
      bodies: bodies(),
    };
  }
}
