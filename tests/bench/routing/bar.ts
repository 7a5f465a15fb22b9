// Holds the router to the routing simulation's bar, seed by seed, and several gateways with notes to what one
// of them has:
//
//   deno run -A tests/bench/routing/bar.ts SIMULATION.mjs [SEEDS]
//
// Exit code 1 where a row of the bar is missed, or three gateways lose more than two points of hits.

const MODULE = "tests/bench/routing/adapter.ts";
/** Workloads on which three gateways are compared with one. */
const SHARED = ["a", "b", "az", "a60"];
const POINTS = 2;

const [simulation, seeds = "1,2,3,4,5"] = Deno.args;
if (simulation === undefined) {
  console.error("Give the path of the simulation");
  Deno.exit(2);
}

async function simulate(...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", simulation, "--module", MODULE, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  // The bar ends with 1 where a row is missed; the rows say which.
  if (text === "") throw new Error(new TextDecoder().decode(stderr));
  return text;
}

type Row = { p90: number; p99: number; hit: number; imbalance: number };
type Table = Record<string, Record<string, Row>>;

async function table(policy: string, seed: string, gateways: number): Promise<Table> {
  const options = JSON.stringify({ gateways });
  const args = ["--workloads", SHARED.join(), "--policies", policy, "--seed", seed];
  return JSON.parse(await simulate(...args, "--options", options, "--json"));
}

let missed = 0;
for (const seed of seeds.split(",")) {
  const rows = (await simulate("--bar", "--policy", "ours", "--seed", seed)).trim().split("\n");
  missed += rows.filter((row) => row.startsWith("FAIL")).length;
  console.log(`seed ${seed}, one gateway`);
  for (const row of rows) console.log(`  ${row}`);
  const one = await table("ours", seed, 1);
  const three = await table("ours+notes", seed, 3);
  console.log(`seed ${seed}, three gateways with notes`);
  for (const workload of SHARED) {
    const [alone, shared] = [one[workload].ours, three[workload]["ours+notes"]];
    const lost = 100 * (alone.hit - shared.hit);
    if (lost > POINTS) missed++;
    const figures = [shared.p90, shared.p99].map((seconds) => seconds.toFixed(2)).join(" ");
    console.log(
      `  ${lost > POINTS ? "FAIL" : "ok  "} ${workload} p90 p99 ${figures} hits ${
        (100 * shared.hit).toFixed(1)
      } % (one gateway ${(100 * alone.hit).toFixed(1)} %, p90 ${alone.p90.toFixed(2)})`,
    );
  }
}
console.log(missed === 0 ? "all kept" : `${missed} missed`);
Deno.exit(missed === 0 ? 0 : 1);
