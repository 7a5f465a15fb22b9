// A disk that refuses what is written: requests go on, and people hear when it began and when it was over.

import assert from "node:assert/strict";
import { join } from "node:path";
import { startGateway, temporaryFolder } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { completion, startUpstream } from "../support/upstream.ts";

Deno.test("that records and requests are written again is told, and what failed in a line each", async () => {
  await using folder = await temporaryFolder();
  await using upstream = startUpstream(() => completion("hello"));
  const inTheWay = ["requests_responses", "requests"].map((name) => join(folder.path, name));
  for (const path of inTheWay) await Deno.writeTextFile(path, "in the way");
  await using gateway = await startGateway({
    config: {
      data_dir: folder.path,
      instances: [{ url: upstream.url, model_name: "m" }],
      alert_cooldown: 0,
    },
  });
  const told = async () => {
    let text = "";
    for await (const { name } of Deno.readDir(join(folder.path, "errors"))) {
      text += await Deno.readTextFile(join(folder.path, "errors", name));
    }
    return text;
  };
  const ask = async () => {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "Hello" }] }),
    });
    assert.equal(answer.status, 200);
    await answer.body?.cancel();
  };
  await ask();
  for (const subject of ["records", "requests"]) {
    await waitFor(
      async () => (await told()).includes(`records_failed instance=${subject} `),
      `trouble with ${subject}`,
    );
  }
  // More than those that were told of when it began.
  for (let count = 2; count <= 3; count++) {
    await ask();
    await waitFor(
      async () => (await told()).includes(`lines lost: ${count}`),
      "what is lost to be counted",
    );
  }
  for (const path of inTheWay) await Deno.remove(path);
  await ask();
  for (const subject of ["records", "requests"]) {
    await waitFor(
      async () => (await told()).includes(`records_failed instance=${subject} state=resolved`),
      `${subject} to be written again`,
    );
  }
  assert.match(await told(), /requests state=resolved .*written again; lines lost: 3/);
  // Only what was lost since is told of the next time.
  await Deno.remove(inTheWay[1], { recursive: true });
  await Deno.writeTextFile(inTheWay[1], "in the way");
  await ask();
  const lostOnce = /requests state=resolved .*lines lost: 3[^]*lines lost: 1\b/;
  await waitFor(async () => lostOnce.test(await told()), "the next loss");
  await Deno.remove(inTheWay[1]);
  await ask();
  await waitFor(
    async () => (await told()).match(/requests state=resolved/g)?.length === 2,
    "requests to be written once more",
  );
  // The folder of alerts is refused as well.
  await Deno.remove(join(folder.path, "errors"), { recursive: true });
  await Deno.writeTextFile(join(folder.path, "errors"), "in the way");
  await Deno.remove(join(folder.path, "requests"), { recursive: true });
  await Deno.writeTextFile(join(folder.path, "requests"), "in the way");
  await ask();
  await waitFor(
    () => /channel "?error_file"? failed/.test(gateway.output()),
    "the channel to fail",
  );
  await gateway.stop();
  assert.doesNotMatch(gateway.output(), /^\s+at /m, "a stack in the log");
});
