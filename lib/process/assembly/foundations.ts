// What all other parts of the process stand on: the memory that workers share, the configuration in force, what
// is counted, and how people are told.

import { UsageMemory } from "../../caller/usage/usage_memory.ts";
import type { Config } from "../../config/config.ts";
import { environmentProxy } from "../../forward/transport/environment_proxy.ts";
import { LineWriter } from "../../observe/line_writer.ts";
import { Logs } from "../../observe/log.ts";
import { Tally } from "../../observe/tally.ts";
import type { Fleet } from "../../pool/fleet.ts";
import { SlotTable } from "../../pool/slot_table.ts";
import { Roster } from "../../pool/roster.ts";
import { SharedState } from "../../pool/shared_state.ts";
import { Bulletin } from "../alerts/bulletin.ts";
import { EventLog } from "../disk/event_log.ts";
import { Conditions } from "../fleet/conditions.ts";
import { type Overrides, withOverrides } from "../overrides.ts";
import type { ConfigFile } from "../reload.ts";
import { Snapshots } from "../snapshots.ts";

export interface ProcessOptions {
  /** As it was read; `config` is what it says. */
  readonly file: ConfigFile;
  readonly config: Config;
  readonly overrides: Overrides;
  /** Whether another gateway may have the port. */
  readonly takeover: boolean;
  env(name: string): string | undefined;
}

export type Foundations = ReturnType<typeof foundations>;

/** `fleet` is asked for later, when there is one. */
export function foundations({ config, overrides, env }: ProcessOptions, fleet: () => Fleet) {
  const shared = SharedState.create();
  const usage = UsageMemory.create();
  const snapshots = new Snapshots(
    withOverrides(config, overrides),
    new SlotTable(shared),
    environmentProxy(env),
  );
  const roster = new Roster();
  snapshots.join(roster);
  const conditions = new Conditions(roster, () => new Date());
  const logs = new Logs(new LineWriter(Deno.stderr));
  logs.configure(snapshots.config.log);
  snapshots.join({ apply: ({ config }) => logs.configure(config.log) });
  const tally = new Tally(Date.now());
  tally.configure(snapshots.config);
  snapshots.join({ apply: ({ config }) => tally.configure(config) });
  const bulletin = new Bulletin(snapshots, tally, fleet);
  const events = new EventLog(snapshots, bulletin.feed);
  return { shared, usage, snapshots, conditions, logs, tally, bulletin, events };
}
