// Options without their secrets: lib/config/mask.ts by itself.

import assert from "node:assert/strict";
import { maskSecrets } from "../../lib/config/mask.ts";

Deno.test("keys, tokens and passwords are masked wherever they stand, numbers are not", () => {
  assert.deepEqual(
    maskSecrets({
      instances: [{ url: "http://10.0.0.1:8000/v1", api_key: "sk-1", weight: 2 }],
      admin: { token: "t", enabled: true },
      mail: { password: "p", smtpPassword: "p", user: "ops" },
      max_tokens: 5,
      api_key: null,
      token: "",
    }),
    {
      instances: [{ url: "http://10.0.0.1:8000/v1", api_key: "********", weight: 2 }],
      admin: { token: "********", enabled: true },
      mail: { password: "********", smtpPassword: "********", user: "ops" },
      max_tokens: 5,
      api_key: null,
      token: "",
    },
  );
});

Deno.test("an alert's address shows its host only, since the rest is the secret", () => {
  const { alerts } = maskSecrets({
    alerts: [
      { type: "slack", url: "https://hooks.slack.example/services/T0/B0/secret" },
      { type: "wecom", url: "https://qyapi.example/cgi-bin/webhook/send?key=secret" },
      { type: "webhook", webhook: "https://ops.example/secret", headers: { "X-Any": "secret" } },
    ],
  }) as { alerts: unknown[] };
  assert.doesNotMatch(JSON.stringify(alerts), /secret|B0/);
  assert.match(JSON.stringify(alerts), /hooks\.slack\.example/);
});

Deno.test("a name and password within an address are masked", () => {
  assert.deepEqual(maskSecrets({ proxy: "http://user:pass@proxy:3128" }), {
    proxy: "http://********@proxy:3128",
  });
});
