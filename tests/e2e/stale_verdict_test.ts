// A mistake in the file that has been mended is not held against the instance by a question that was asked before.

import assert from "node:assert/strict";
import { startGateway } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

Deno.test("an answer to the old key is no word against the new one", async () => {
  const gate = Promise.withResolvers<void>();
  let oldAsked = 0;
  let newAnswered = 0;
  let checks = 0;
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (one) => {
      if (new URL(one.url).pathname !== "/v1/models") {
        checks++;
        return new Response("ok");
      }
      if (one.headers.get("authorization") === "Bearer new-key-of-it") {
        newAnswered++;
        return Response.json({ data: [{ id: "demo", owned_by: "vllm" }] });
      }
      oldAsked++;
      await gate.promise;
      return Response.json({ error: { message: "Unauthorized" } }, { status: 401 });
    },
  );
  const configOf = (api_key: string) => ({
    health_check: { interval: 0.1, path: "/health", timeout: 600 },
    instances: [{
      name: "gpu-1",
      url: `http://127.0.0.1:${server.addr.port}`,
      model_name: "demo",
      api_key,
    }],
  });
  await using gateway = await startGateway({ config: configOf("old-key-of-it") });
  const events = async (): Promise<{ kind: string }[]> =>
    (await (await fetch(`${gateway.url}/dashboard/api/events`)).json()).events;
  await waitFor(() => oldAsked > 0, "the question with the old key");
  await gateway.writeConfig(configOf("new-key-of-it"));
  await waitFor(
    async () => (await events()).some(({ kind }) => kind === "reload"),
    "the new key to be in force",
  );
  gate.resolve();
  await waitFor(() => newAnswered > 0, "the question with the new key");
  const seen = checks;
  await waitFor(() => checks > seen + 1, "what was answered to be over");
  const kinds = (await events()).map(({ kind }) => kind);
  assert.ok(!kinds.includes("instance_misconfigured"), kinds.join());
  const { instances } = await (await fetch(`${gateway.url}/health`)).json();
  assert.equal(instances[0].state, "healthy");
});
