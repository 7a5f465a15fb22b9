// What is remembered of instances goes with them, wherever it is kept.

import assert from "node:assert/strict";
import type { HealthCheckConfig, InstanceConfig } from "../../lib/config/config.ts";
import { OptionRefused } from "../../lib/forward/option_refused.ts";
import { Returning } from "../../lib/forward/returning.ts";
import type { Transport } from "../../lib/forward/transport.ts";
import type { Instance } from "../../lib/pool/instance.ts";
import { byId, byModels, byName, Roster } from "../../lib/pool/roster.ts";
import { Conditions } from "../../lib/process/fleet/conditions.ts";
import { InstanceCheck } from "../../lib/server/questions/check_instance.ts";

const HOUR_MS = 3_600_000;

const pod = (n: number) =>
  ({
    id: `id-${n}`,
    name: `pod-${n}`,
    origin: `http://10.0.0.${n}:8000`,
    models: ["m", `m-${n}`],
  }) as unknown as InstanceConfig;

const of = (...numbers: number[]) => ({ config: { instances: numbers.map(pod) } });

Deno.test("who leaves is forgotten by all that is remembered of it, and who stays is not", () => {
  const roster = new Roster();
  const ids = roster.remember<number>(byId);
  const models = roster.remember<number>(byModels);
  for (const n of [1, 2]) {
    ids.set(`id-${n}`, n);
    models.set(`m-${n}`, n);
  }
  models.set("m", 0);
  roster.apply(of(1, 2));
  assert.equal(ids.size + models.size, 5);
  roster.apply(of(2));
  assert.deepEqual([...ids.keys()], ["id-2"]);
  assert.deepEqual([...models.keys()].sort(), ["m", "m-2"]);
});

Deno.test("of those that are away as many as may be come back as they were, the last that left", () => {
  const roster = new Roster();
  const names = roster.remember<number>(byName, 2);
  for (let n = 1; n <= 4; n++) names.set(`pod-${n}`, n);
  roster.apply(of(1, 2, 3, 4));
  roster.apply(of(1, 2, 4));
  roster.apply(of(2, 4));
  roster.apply(of(4));
  assert.deepEqual([...names.keys()], ["pod-1", "pod-2", "pod-4"]);
});

Deno.test("pods that come and go for ever leave no more behind than those that are there", () => {
  const roster = new Roster();
  const all = [roster.remember<true>(byId), roster.remember<true>(byName, 8)];
  for (let n = 0; n < 10_000; n++) {
    all[0].set(`id-${n}`, true);
    all[1].set(`pod-${n}`, true);
    roster.apply(of(n));
  }
  assert.deepEqual(all.map(({ size }) => size), [1, 9]);
});

Deno.test("an origin that refused an option is asked again when it returns, and after an hour", () => {
  const roster = new Roster();
  let now = 0;
  const refused = new OptionRefused(roster, () => now);
  refused.add(pod(1));
  refused.add(pod(2));
  roster.apply(of(1, 2));
  assert.ok(refused.has(pod(1)) && refused.has(pod(2)));
  roster.apply(of(2));
  roster.apply(of(1, 2));
  assert.ok(!refused.has(pod(1)));
  now += HOUR_MS - 1;
  assert.ok(refused.has(pod(2)));
  now++;
  assert.ok(!refused.has(pod(2)));
  refused.add(pod(2));
  assert.ok(refused.has(pod(2)));
});

Deno.test("an instance that returns is looked at as any new one", () => {
  const roster = new Roster();
  const returning = new Returning(roster, () => 0);
  const instance = { config: pod(1) } as Instance;
  returning.failed(instance.config);
  assert.ok(!returning.mayAsk(instance));
  roster.apply(of());
  assert.ok(returning.mayAsk(instance));
});

Deno.test("how a server says that it sleeps is found out anew when another one stands there", async () => {
  const roster = new Roster();
  const check = new InstanceCheck(roster, () => 0);
  const asked: string[] = [];
  const transport = {
    start({ url }: { url: string }) {
      asked.push(new URL(url).pathname);
      return {
        head: Promise.resolve({ status: 404, headers: [] }),
        take: () => null,
        wait: () => Promise.resolve(null),
        arrived() {},
        abort() {},
      };
    },
  } as unknown as Transport;
  const instance = { config: { ...pod(1), pathPrefix: "", apiKey: null } } as Instance;
  const run = () =>
    check.run(transport, instance, { path: "/health", timeoutS: 1 } as HealthCheckConfig);
  await run();
  const atFirst = asked.length;
  assert.ok(atFirst > 1, `${asked}`);
  await run();
  assert.equal(asked.length, atFirst + 1, "it is known to say nothing");
  roster.apply(of());
  await run();
  assert.equal(asked.length, 2 * atFirst + 1);
});

Deno.test("since when an instance is as it is, is told of those that are there and of few others", () => {
  const roster = new Roster();
  const conditions = new Conditions(roster, () => new Date(0));
  for (let n = 0; n < 1000; n++) {
    conditions.poolEvent({
      kind: "instance_ejected",
      instance: `pod-${n}`,
      message: "x",
      count: 1,
    });
    roster.apply(of(n));
  }
  assert.equal(conditions.of("pod-0"), null);
  assert.notEqual(conditions.of("pod-998"), null);
  assert.notEqual(conditions.of("pod-999"), null);
});
