// Questions that are asked of each instance in rounds.

import assert from "node:assert/strict";
import { Rounds } from "../../lib/pool/rounds.ts";
import { waitFor } from "../support/wait.ts";
import { FleetStand } from "./stand.ts";

Deno.test("a question that goes wrong ends neither its own rounds nor those of others", async () => {
  const stand = new FleetStand({
    instances: ["a", "b"].map((name) => ({
      ...{ url: `http://127.0.0.1:8/${name}`, model_name: "m", name },
    })),
  });
  const asked: string[] = [];
  const rounds = new Rounds(stand.fleet, ({ name }) => {
    asked.push(name);
    return name === "a" ? Promise.reject(new Error("what was that?")) : Promise.resolve(true);
  }, () => 0);
  rounds.configure(0.01);
  const times = (name: string) => asked.filter((one) => one === name).length;
  await waitFor(() => times("a") >= 3 && times("b") >= 3, "three rounds of each");
  rounds.close();
  assert.ok(times("b") >= times("a"), "what gives nothing is asked less often");
});
