// All parts of one gateway process, put together in the order in which they hear of a reload: whoever must hear of
// one joins the list of `Snapshots` here or in its own constructor. What is done with them is left to process.ts.

import { guarded } from "../../observe/guarded.ts";
import { knownHours } from "../disk/known_hours.ts";
import { foundations, type ProcessOptions } from "./foundations.ts";
import { isolates, type Listeners } from "./isolates.ts";
import { readers } from "./readers.ts";
import { shown } from "./shown.ts";
import { watches } from "./watches.ts";

/** What one part does at its time, under the part's name. */
export type Step<Given extends unknown[] = []> = readonly [
  part: string,
  work: (...given: Given) => unknown,
];

export type Parts = ReturnType<typeof assembled>;

/** Nothing listens yet, and nobody is asked. */
export function assembled(options: ProcessOptions) {
  // What is asked for later has a name further down.
  const on = foundations(options, () => runtime.fleet);
  const read = readers(on, () => runtime);
  const listeners: Listeners = {
    onFinished: read.finished.tell,
    onPoolEvent(event) {
      on.bulletin.poolEvent(event);
      on.conditions.poolEvent(event);
      watched.health.poolEvent(event);
      watched.loads.poolEvent(event);
    },
    onScarce: (what) => on.bulletin.scarce(what),
    onModelMissing: (id) => watched.models.hurry(id),
    onRankRefused: (id, ranks) => watched.loads.rankRefused(id, ranks),
    admin: (request, asker) => pages.handle(request, asker),
  };
  const serves = isolates(on, listeners, isTraced(options));
  const { runtime, serving } = serves;
  const watched = watches(options, on, serves, () => source.figures());
  const { source, pages } = shown(on, read, serves, watched);
  const { snapshots, events, bulletin, logs } = on;
  const { accounts, storedFile, keyWatch } = read;
  const { drained, discovery, models, index, peering, health, loads, reload } = watched;
  /** Before the door opens: what is there from the last time, and what has to be asked first. */
  const restored: readonly Step[] = [
    ["ages", async () => read.ages.restore(await knownHours(snapshots.config.dataDir))],
    ["events", () => events.restore()],
    ["drained", () => drained.restore()],
    ["usage", () => accounts.restore()],
    ["discovery", () => discovery.start()],
    ["models", () => models.start()],
    ["index", () => index.restore(snapshots.config)],
    ["stored responses", () => storedFile.restore()],
  ];
  /** Once the door is open, on this port. */
  const started: readonly Step<[port: number]>[] = [
    ["peers", (port) => peering.start(port)],
    ["health", () => health.start()],
    ["keys", () => keyWatch.look()],
    ["loads", () => loads.start()],
    ["reload", () => reload.start()],
  ];
  /** One whose disk or network hangs keeps no other from its end. */
  const kept: readonly Step[] = [
    ["records", () => read.recording.close()],
    ["requests", () => read.requests.close()],
    ["housekeeping", () => read.housekeeping.close()],
    ["minutes", () => read.minutes.close()],
    ["usage", () => accounts.close()],
    ["shared limits", () => read.sharedLimits.close()],
    ["stored responses", () => storedFile.close()],
    ["drained", () => drained.written()],
    ["index", () => index.save(snapshots.config)],
    ["peers", () => peering.close()],
  ];
  /** After the last answer. What waits for nothing comes first, what is kept as soon as nobody adds to it. */
  const ended: readonly Step[] = [
    ["serving", () => serving.close()],
    ["dashboard", () => source.close()],
    ["reload", () => reload.stop()],
    ["discovery", () => discovery.stop()],
    ["room", () => watched.room.close()],
    ["health", () => health.close()],
    ["keys", () => keyWatch.close()],
    ["loads", () => loads.close()],
    ["models", () => models.close()],
    ["runtime", () => runtime.close()],
    ["what is kept", () => endTogether(kept)],
    ["bulletin", () => bulletin.close()],
    ["events", () => events.close()],
    ["what is read of the configuration", () => reload.close()],
    ["what is asked for instances", () => discovery.close()],
    ["logs", () => logs.flush()],
  ];
  return { snapshots, bulletin, serving, pages, logs, restored, started, ended };
}

async function endTogether(parts: readonly Step[]): Promise<void> {
  await Promise.all(parts.map(([part, close]) => guarded(`the end of ${part}`, close)));
}

/** A compiled executable could trace at any time: the environment of each start says whether it does. */
function isTraced({ env }: ProcessOptions): boolean {
  return /^(true|1)$/i.test(env("OTEL_DENO") ?? "");
}
