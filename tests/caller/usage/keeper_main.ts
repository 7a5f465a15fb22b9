// A process that keeps usage for the tests: charges as it is told, says what it has used, and can be killed
// at any moment. Arguments: data_dir, key, charges a second, workers' memory aside.

import { UsageKeeper } from "../../../lib/caller/usage/keeper.ts";
import { UsageMemory } from "../../../lib/caller/usage/usage_memory.ts";
import { charge } from "./charges.ts";

const [dataDir, key, perSecond, total] = Deno.args;

const keeper = new UsageKeeper(UsageMemory.create(), {
  torn: (path, bytes) => console.log(`torn ${path.split("/").at(-1)} ${bytes}`),
  odd: (path, lines) => console.log(`odd ${path.split("/").at(-1)} ${lines}`),
  failed: (reason) => console.log(`failed ${reason}`),
  written: () => console.log("written"),
  booked() {},
});
keeper.apply({ dataDir, timeZone: "UTC", hasTotals: true, hasKeys: true });
await keeper.restore();

let charged = 0;
const use = () => {
  const most = Math.min(Number(total), charged + Math.ceil(Number(perSecond) / 100));
  for (; charged < most; charged++) {
    keeper.ledger.charge(charge({ key, model: `m${charged % 3}`, atMs: Date.now() }));
  }
};
const say = () => {
  const used = keeper.ledger.used("key", key, "month").requests;
  const web = keeper.ledger.used("key", "web", "month").requests;
  console.log(`at ${Date.now()} charged ${charged} used ${used} web ${web}`);
};
console.log(`restored ${keeper.ledger.used("key", key, "total").requests}`);
const using = setInterval(use, 10);
const saying = setInterval(say, 50);
Deno.addSignalListener("SIGTERM", async () => {
  clearInterval(using);
  clearInterval(saying);
  await keeper.close();
  console.log(`closed with ${charged}`);
  Deno.exit(0);
});
