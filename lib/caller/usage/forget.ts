// Takes a client's address out of the files of usage: what it used is told with that of the others.

import { OTHER_CLIENTS } from "./clients.ts";
import { openToRead, usageMonths, usagePath } from "./files.ts";
import { readLines } from "./lines.ts";
import type { Row } from "./row.ts";
import { UsageFile } from "./usage_file.ts";

/** While a gateway books requests of the same client there is always one more line. */
const PASSES = 5;

/** What is to be forgotten. */
export interface Forgotten {
  readonly client: string;
  /** Days before this one, as 2026-11-26; undefined for all. */
  readonly before?: string;
}

/** Returns how many lines named the client; `isTrial` changes nothing. May run beside gateways. */
export async function forgetClient(
  dataDir: string,
  { client, before = "9999-12-31" }: Forgotten,
  isTrial: boolean,
): Promise<number> {
  const isMeant = (row: Row) => row.client === client && row.day < before;
  let lines = 0;
  for (const month of await usageMonths(dataDir)) {
    const path = usagePath(dataDir, month);
    let found = await count(path, isMeant);
    lines += found;
    if (isTrial) continue;
    const file = new UsageFile(path);
    for (let pass = 0; found > 0 && pass < PASSES; pass++) {
      // It takes over nothing, and so needs not hear what the lines say.
      await file.exchange("", () => {});
      await file.sumUp(
        () => {},
        (row) => isMeant(row) ? { ...row, client: OTHER_CLIENTS } : row,
      );
      found = await count(path, isMeant);
    }
  }
  return lines;
}

async function count(path: string, isMeant: (row: Row) => boolean): Promise<number> {
  const [opened, size] = await openToRead(path);
  using file = opened;
  let found = 0;
  await readLines(file, 0, size, (line) => {
    if (line.kind === "used" && isMeant(line.row)) found++;
  });
  return found;
}
