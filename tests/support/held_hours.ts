// A disk that says nothing for as long as a test wants: the lock of the files that are written stands for it.

import { join } from "node:path";
import { hourName } from "../../lib/observe/hour_name.ts";

const HOUR_MS = 3_600_000;

/** Holds the files of this hour and the next in `folder`, until it is disposed of. */
export async function holdHours(folder: string): Promise<Disposable> {
  await Deno.mkdir(folder, { recursive: true });
  const held = await Promise.all(
    [0, HOUR_MS].map((ms) => {
      const path = join(folder, `${hourName(new Date(Date.now() + ms))}.jsonl`);
      return Deno.open(path, { create: true, write: true });
    }),
  );
  for (const file of held) await file.lock(true);
  return {
    [Symbol.dispose]() {
      for (const file of held.splice(0)) file.close();
    },
  };
}
