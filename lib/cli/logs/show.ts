// What `logs` does: finds the records, shows those that are there, and goes on with what comes.

import { type RecordFolder, summaryOf } from "../../record/browse.ts";
import type { Json } from "../../json/json.ts";
import { dataDirOf, isReadable } from "../data_dir.ts";
import { Interrupt } from "../interrupt.ts";
import { print } from "../print.ts";
import { besideRecords } from "./beside.ts";
import { lineOf } from "./line.ts";
import { beganAt, past } from "./past.ts";
import { Tail } from "./tail.ts";

const POLL_MS = 200;

export interface Asked {
  /** undefined: the usual file, if it is there. */
  config: string | undefined;
  /** Beats the configuration. */
  dataDir: string | undefined;
  follow: boolean;
  folders: readonly RecordFolder[];
  /** None for all. */
  models: readonly string[];
  instances: readonly string[];
  /** Milliseconds since 1970. */
  since: number;
  json: boolean;
  /** What left no record is told of as well. */
  errors: boolean;
}

/** Resolves to the exit code. */
export async function showRecords(asked: Asked): Promise<number> {
  const { folders, models, instances, since, json } = asked;
  // From here on, since whoever sees a line may take it for the sign to stop.
  using interrupt = asked.follow ? new Interrupt() : null;
  const dataDir = asked.dataDir ?? await dataDirOf(asked.config);
  if (dataDir === null) return 1;
  // Who follows may wait for a gateway that has yet to make it.
  if (interrupt === null && !await isReadable(dataDir)) return 1;
  /** null for one that is not wanted. */
  const shown = (record: Json) => {
    const { model, instance } = summaryOf(record, "");
    const isWanted = beganAt(record) >= since && (models.length === 0 || models.includes(model)) &&
      (instances.length === 0 || instances.includes(instance));
    if (!isWanted) return null;
    return json ? JSON.stringify(record) : lineOf(record);
  };

  // Where the following begins is fixed before the past is read: nothing is lost between the two.
  const tails = interrupt === null
    ? []
    : await Promise.all(folders.map((one) => Tail.atEnd(dataDir, one)));
  let isEmpty = true;
  for await (const line of past(dataDir, folders, since, tails, shown)) {
    isEmpty = false;
    print(line);
  }
  if (isEmpty) {
    const places = folders.map((folder) => `${dataDir}/${folder}`).join(" and ");
    const next = interrupt === null ? "; --since looks further back" : "; waiting for new ones";
    console.error(
      `no such record since ${new Date(since).toLocaleString("sv")} in ${places}${next}`,
    );
  }
  if (asked.errors) {
    const only = { model: models[0] ?? "", instance: instances[0] ?? "" };
    for (const line of await besideRecords(dataDir, since, only)) console.error(line);
  }
  while (interrupt !== null && !interrupt.came) {
    for (const tail of tails) {
      for (const record of await tail.read()) {
        const line = shown(record);
        if (line !== null) print(line);
      }
    }
    await interrupt.pause(POLL_MS);
  }
  return 0;
}
