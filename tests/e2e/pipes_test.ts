// A named pipe in the place of a file that is read or written while requests run: whoever opens it waits for
// somebody who never comes.

import assert from "node:assert/strict";
import { join } from "node:path";
import { hourName } from "../../lib/observe/hour_name.ts";
import { exists } from "../support/exists.ts";
import { configText, startGateway, temporaryFolder } from "../support/processes.ts";
import { completion, startUpstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/wait.ts";
import { ASK, bearer, makeKey } from "./access/keyed.ts";

const ignore = Deno.build.os === "windows";

async function makePipe(path: string): Promise<void> {
  assert.ok((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
}

async function pipeInPlaceOf(path: string): Promise<void> {
  await Deno.remove(path);
  await makePipe(path);
}

Deno.test({
  name: "a pipe in the place of the config or the keys file is told, and holds nothing up",
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    await using upstream = startUpstream(() => completion("hello"));
    const [one, other] = [makeKey("one"), makeKey("other")];
    const keys = join(folder.path, "keys.json");
    const writeKeys = (...lines: unknown[]) => Deno.writeTextFile(keys, JSON.stringify(lines));
    await writeKeys(one.line);
    const config = {
      instances: [{ url: upstream.url, model_name: "m" }],
      health_check: false,
      keys_file: keys,
    };
    await using gateway = await startGateway({ config });
    const ask = async (key: string) => {
      const signal = AbortSignal.timeout(30_000);
      const answer = await gateway.post("/v1/chat/completions", ASK, { ...bearer(key), signal });
      await answer.body?.cancel();
      return answer.status;
    };
    const told = (path: string) =>
      waitFor(() => gateway.output().includes(`${path}:1:1: `), `a word of ${path}`);

    await pipeInPlaceOf(keys);
    // Asked for by hand, it is read whether it is the same or not.
    gateway.signal("SIGHUP");
    await told(keys);
    assert.equal(await ask(one.key), 200);
    await pipeInPlaceOf(gateway.configPath);
    await told(gateway.configPath);
    assert.equal(await ask(one.key), 200);

    await Deno.remove(gateway.configPath);
    await Deno.remove(keys);
    await writeKeys(one.line, other.line);
    await Deno.writeTextFile(gateway.configPath, configText(config, gateway.dataDir));
    await waitFor(async () => await ask(other.key) === 200, "the files to be read again");
  },
});

Deno.test({
  name: "a pipe in the place of a file that is written swallows no lines",
  ignore,
  async fn() {
    await using upstream = startUpstream(() => completion("hello"));
    await using gateway = await startGateway({
      config: { instances: [{ url: upstream.url, model_name: "m" }], health_check: false },
    });
    const hour = `${hourName(new Date())}.jsonl`;
    const paths = ["requests_responses", "requests"].map((name) =>
      join(gateway.dataDir, name, hour)
    );
    for (const path of paths) {
      await Deno.mkdir(join(path, ".."), { recursive: true });
      await Deno.writeTextFile(path, "");
      await pipeInPlaceOf(path);
    }
    const answer = await gateway.post("/v1/chat/completions", ASK);
    await answer.body?.cancel();
    for (const subject of ["records", "requests"]) {
      await waitFor(
        () => gateway.output().includes(`alert "records_failed" "${subject}": `),
        `trouble with ${subject}`,
      );
    }
  },
});

for (const workers of [1, 2]) {
  Deno.test({
    name: `a pipe beside files that are watched holds up no reload, and not the end: ${workers}`,
    ignore,
    async fn() {
      await using folder = await temporaryFolder();
      await using upstream = startUpstream(() => completion("hello"));
      const targets = join(folder.path, "targets.json");
      await Deno.writeTextFile(targets, "[]");
      const config = {
        instances: [{ url: upstream.url, model_name: "m" }],
        health_check: false,
        discovery: [{ type: "file", path: targets }],
        workers,
      };
      await using gateway = await startGateway({ config, configFile: "etc/config.jsonc" });
      const served = async (model: string) => {
        const signal = AbortSignal.timeout(30_000);
        const answer = await gateway.post("/v1/chat/completions", { ...ASK, model }, { signal });
        await answer.body?.cancel();
        return answer.status === 200;
      };
      await makePipe(join(gateway.configPath, "..", "pipe"));
      await makePipe(join(folder.path, "pipe"));
      // Whatever is told of a pipe, it is told before that of what came after it.
      await gateway.writeConfig({ ...config, instances: [{ url: upstream.url, model_name: "n" }] });
      await waitFor(() => served("n"), "the file to be read again");
      // One more folder.
      const keys = join(folder.path, "more", "keys.json");
      const key = makeKey("one");
      await Deno.mkdir(join(keys, ".."));
      await Deno.writeTextFile(keys, JSON.stringify([key.line]));
      await gateway.writeConfig({ ...config, keys_file: keys });
      await waitFor(async () => {
        const signal = AbortSignal.timeout(30_000);
        const answer = await gateway.post("/v1/chat/completions", ASK, {
          ...bearer(key.key),
          signal,
        });
        await answer.body?.cancel();
        return answer.status === 200 && answer.headers.has("x-gateway-instance");
      }, "the keys");
      gateway.signal("SIGTERM");
      assert.equal((await within(gateway.process.status, "the end")).code, 0);
      assert.ok(await exists(join(gateway.dataDir, "history")), "the minute that had begun");
    },
  });
}
