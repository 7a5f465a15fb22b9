// Who asks for a reload is told what came of it, and not of an earlier one.

import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../../lib/config/load.ts";
import { Reload, type ReloadParts } from "../../lib/process/reload.ts";
import { Authority, hasOpenssl } from "../support/certificates.ts";
import { startGateway, temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const fileFor = (model: string) =>
  `{"instances":[{"url":"http://127.0.0.1:8009","model_name":"${model}"}]}`;

Deno.test("who asks while workers are behind with an earlier file is told of the one that is there now", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "config.jsonc");
  await Deno.writeTextFile(path, fileFor("a"));
  const loaded = loadConfig(path, fileFor("a"), () => undefined);
  assert.ok(loaded.ok);
  const { config, options, beside } = loaded;
  const taken: string[] = [];
  const behind = Promise.withResolvers<string[]>();
  const parts = {
    file: { path, text: fileFor("a"), options, beside },
    overrides: {},
    snapshots: {
      file: config,
      drained: new Set(),
      load: ({ instances: [{ models }] }: typeof config) => taken.push(...models),
    },
    bulletin: { note() {}, end() {}, raise() {} },
    tally: { reload() {} },
    env: () => undefined,
    caughtUp: () => behind.promise,
  };
  const reload = new Reload(parts as unknown as ReloadParts);
  reload.start();
  try {
    await Deno.writeTextFile(path, fileFor("b"));
    await waitFor(() => taken.includes("b"), "the file to be taken");
    await Deno.writeTextFile(path, '{"instances": "nonsense"}');
    const asked = reload.now();
    // The faulty one has been read by the time that a second asker is answered.
    const late = reload.now();
    behind.resolve([]);
    for (const report of [await asked, await late]) {
      assert.equal(report.ok, false);
      assert.match(report.problems.join(), /instances/);
    }
  } finally {
    behind.resolve([]);
    await reload.close();
  }
});

Deno.test("an option that needs a restart is told of beside what runs, and not when it says that again", async () => {
  const instances = [{ url: "http://127.0.0.1:2", model_name: "m" }];
  await using gateway = await startGateway({ config: { instances } });
  const reloads = (count: number) =>
    waitFor(
      () => gateway.output().match(/configuration reloaded/g)?.length === count,
      `${count} reloads`,
    );
  const told = () =>
    [...gateway.output().matchAll(/"?workers"? changed from (\d+) to (\d+)/g)]
      .map(([, from, to]) => `${from} to ${to}`);
  for (const [index, workers] of [3, 4, 1].entries()) {
    await gateway.writeConfig({ instances, workers });
    await reloads(index + 1);
  }
  assert.deepEqual(told(), ["1 to 3", "1 to 4"]);
});

Deno.test({
  name: "a text that puts tls in is said to need a restart, as host, port and workers are",
  ignore: !await hasOpenssl(),
  async fn() {
    await using folder = await temporaryFolder();
    const { cert, key } = await (await Authority.make(folder.path)).sign("gateway");
    const [cert_file, key_file] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
    await Deno.writeTextFile(cert_file, cert);
    await Deno.writeTextFile(key_file, key);
    const instances = [{ url: "http://127.0.0.1:2", model_name: "m" }];
    const admin = { token: "correct-horse-battery" };
    await using gateway = await startGateway({ config: { instances, admin } });
    const needed = async (more: Record<string, unknown>) => {
      const response = await fetch(`${gateway.url}/dashboard/api/check`, {
        method: "POST",
        headers: { authorization: `Bearer ${admin.token}` },
        body: JSON.stringify({ instances, admin, ...more }),
      });
      const { problems, needs_restart } = await response.json();
      assert.deepEqual(problems, []);
      return needs_restart;
    };
    assert.deepEqual(await needed({}), []);
    const tls = { cert_file, key_file };
    assert.deepEqual(await needed({ tls, workers: 7 }), ["workers", "tls"]);
  },
});
