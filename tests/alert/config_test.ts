// The options of alerts: what they become, what is refused, and that no secret of theirs is shown.

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { maskSecrets } from "../../lib/config/mask.ts";
import { makeMessenger } from "../../lib/alert/channels/make.ts";
import { alertChannel } from "../../lib/config/alert_channels.ts";

const ALL = [
  { type: "webhook", url: "https://ops.example/s3cret", headers: { "X-Any": "s3cret" } },
  { type: "slack", url: "https://hooks.example/services/T0/s3cret" },
  { type: "wecom", url: "https://qyapi.example/send?key=s3cret" },
  { type: "dingtalk", url: "https://oapi.example/send?access_token=s3cret", secret: "SECs3cret" },
  { type: "feishu", url: "https://open.example/hook/s3cret", secret: "s3cret" },
  { type: "telegram", token: "1:s3cret", chat_id: "@ops" },
  {
    type: "email",
    host: "mail.example",
    user: "gateway",
    password: "s3cret",
    from: "gateway@mail.example",
    to: ["Ops <ops@mail.example>"],
  },
];

function load(alerts: unknown, rest: object = {}) {
  const config = { instances: [{ url: "http://a", model_name: "m" }], alerts, ...rest };
  return loadConfig("c", JSON.stringify(config), () => undefined);
}

function problemOf(alert: unknown): string {
  const loaded = load([alert]);
  assert.ok(!loaded.ok, "expected a problem");
  return loaded.problems.map(({ message }) => message).join("; ");
}

Deno.test("every type of channel is taken, and there is one of each", () => {
  const loaded = load(ALL);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const { alerts } = loaded.config;
  assert.deepEqual(alerts.map(({ name }) => name), ALL.map(({ type }) => type));
  for (const one of alerts) assert.ok(makeMessenger(one, () => new Date(), ""));
  assert.equal(alertChannel.options.length, ALL.length);
});

Deno.test("check --print and the dashboard show no secret of a channel", () => {
  const loaded = load(ALL);
  assert.ok(loaded.ok);
  const shown = JSON.stringify(maskSecrets(loaded.options));
  assert.doesNotMatch(shown, /s3cret/);
  assert.match(shown, /hooks\.example/);
  assert.match(shown, /ops@mail\.example/);
});

Deno.test("every channel knows what must not show in its errors", () => {
  const loaded = load(ALL);
  assert.ok(loaded.ok);
  for (const one of loaded.config.alerts) {
    const { secrets } = makeMessenger(one, () => new Date(), "");
    assert.ok(secrets.some((secret) => secret.includes("s3cret")), one.name);
  }
});

Deno.test("channels without a name are numbered, those with one keep it", () => {
  const slack = ALL[1];
  const loaded = load([slack, { ...slack, name: "night" }, slack]);
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.alerts.map(({ name }) => name), ["slack", "night", "slack#2"]);
});

Deno.test("a wrong channel is told by what was expected of its type", () => {
  assert.match(
    problemOf({ type: "slak", url: "x" }),
    /alerts\[0\]\.type: expected one of webhook, /,
  );
  assert.match(problemOf({ url: "https://a" }), /alerts\[0\]\.type: expected one of .*missing/);
  assert.match(
    problemOf({ ...ALL[3], secrt: "x" }),
    /secrt: unknown option; did you mean `secret`/,
  );
  assert.match(problemOf({ ...ALL[1], secret: "x" }), /secret: unknown option/);
  assert.match(
    problemOf({ ...ALL[1], url: "ftp://a/s3cret" }),
    /url: expected an address with http/,
  );
  assert.match(
    problemOf({ ...ALL[1], kinds: ["disk"] }),
    /kinds\[0\]: .*got `"disk"`; did you mean `disk_low`/,
  );
  assert.match(problemOf({ ...ALL[6], password: undefined }), /password: expected both user and/);
  assert.match(problemOf({ ...ALL[6], user: undefined }), /user: expected both user and/);
  assert.match(problemOf({ ...ALL[6], to: [] }), /to: /);
  assert.match(problemOf({ ...ALL[6], tls: true }), /tls: /);
});

Deno.test("rules have defaults, one by one", () => {
  const loaded = load([], { alert_rules: { error_rate: 0.5 } });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.config.alertRules, {
    windowS: 60,
    errorRate: 0.5,
    refusedRate: 0.5,
    firstTokenS: null,
    policyHits: null,
    minRequests: 20,
    diskFreeBytes: 1_000_000_000,
    summaryWindowS: 30,
  });
});
