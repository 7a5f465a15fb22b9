// What the process looks at by itself: instances, discoveries, other gateways, its own file.

import type { GatewayFigures } from "../../peers/note.ts";
import { DrainedFile } from "../disk/drained_file.ts";
import { Discovery } from "../fleet/discovery.ts";
import { HealthWatch } from "../fleet/health_watch.ts";
import { IndexKeeper } from "../fleet/index_keeper.ts";
import { LoadWatch } from "../fleet/load_watch.ts";
import { ModelWatch } from "../fleet/model_watch.ts";
import { Peering } from "../fleet/peering.ts";
import { RoomWatch } from "../fleet/room_watch.ts";
import { Reload } from "../reload.ts";
import type { Runtime } from "../runtime.ts";
import type { Serving } from "../serving.ts";
import type { Foundations, ProcessOptions } from "./foundations.ts";

export type Watches = ReturnType<typeof watches>;

/** `figures` are asked for later: the pages have them. */
export function watches(
  { file, overrides, env }: ProcessOptions,
  { snapshots, conditions, tally, bulletin }: Foundations,
  { runtime, serving }: { readonly runtime: Runtime; readonly serving: Serving },
  figures: () => GatewayFigures,
) {
  const { fleet } = runtime;
  return {
    drained: new DrainedFile(snapshots, conditions),
    health: new HealthWatch(snapshots, runtime, tally),
    loads: new LoadWatch(snapshots, runtime),
    models: new ModelWatch(snapshots, runtime),
    index: new IndexKeeper(fleet, () => Date.now(), snapshots),
    room: new RoomWatch(snapshots, bulletin),
    discovery: new Discovery({ snapshots, bulletin, configFile: file.path, env }),
    peering: new Peering({ snapshots, fleet, bulletin, figures }),
    reload: new Reload({
      ...{ file, overrides, snapshots, bulletin, env, tally },
      caughtUp: () => serving.caughtUp(),
    }),
  };
}
