// When people are told, and what stands in the error log.

import assert from "node:assert/strict";
import { Alerts } from "../../lib/alert/alerts.ts";
import type { Alert, AlertChannel } from "../../lib/alert/alert.ts";
import { ErrorFileChannel, hourName } from "../../lib/alert/channels/error_file.ts";

class Sent implements AlertChannel {
  readonly name = "sent";
  readonly alerts: Alert[] = [];
  send(alert: Alert): Promise<void> {
    this.alerts.push(alert);
    return Promise.resolve();
  }
}

function stand() {
  const channel = new Sent();
  const clock = { now: Date.parse("2026-05-04T10:20:30") };
  const failures: string[] = [];
  const alerts = new Alerts(
    [channel],
    (name) => failures.push(name),
    () => new Date(clock.now),
  );
  alerts.configure({ alertCooldownS: 300 });
  return { channel, clock, alerts, failures };
}

Deno.test("at most one alert of a kind and instance in each cooldown, and the next says how many", () => {
  const { channel, clock, alerts } = stand();
  for (let i = 0; i < 5; i++) alerts.raise("instance_ejected", "gpu-1", "boom", 10 + i);
  alerts.raise("instance_ejected", "gpu-2", "boom");
  alerts.raise("reload_failed", "gpu-1", "boom");
  assert.equal(channel.alerts.length, 3);
  clock.now += 300_000;
  alerts.raise("instance_ejected", "gpu-1", "again", 20);
  assert.deepEqual(
    { ...channel.alerts[3], time: 0 },
    {
      time: 0,
      kind: "instance_ejected",
      subject: "gpu-1",
      message: "again",
      count: 20,
      suppressed: 4,
    },
  );
});

Deno.test("a clock that is set back silences nothing for longer than the cooldown", () => {
  const { channel, clock, alerts } = stand();
  alerts.raise("instance_down", "gpu-1", "boom");
  clock.now -= 3_600_000;
  alerts.raise("instance_down", "gpu-1", "boom");
  assert.equal(channel.alerts.length, 2);
});

Deno.test("a shorter cooldown is in force at once", () => {
  const { channel, clock, alerts } = stand();
  alerts.raise("instance_down", "gpu-1", "boom");
  alerts.configure({ alertCooldownS: 1 });
  clock.now += 1000;
  alerts.raise("instance_down", "gpu-1", "boom");
  assert.equal(channel.alerts.length, 2);
});

Deno.test("a channel that fails is reported and stops nothing", async () => {
  const channel = new Sent();
  const failing: AlertChannel = { name: "bad", send: () => Promise.reject(new Error("no")) };
  const failures: string[] = [];
  const alerts = new Alerts([failing, channel], (name) => failures.push(name));
  alerts.raise("instance_down", "gpu-1", "boom");
  await alerts.close();
  assert.deepEqual(failures, ["bad"]);
  assert.equal(channel.alerts.length, 1);
});

Deno.test("the error log has one line for each alert, named by the local hour", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const time = new Date(2026, 4, 4, 9, 20, 30);
    const channel = new ErrorFileChannel(() => `${folder}/data`);
    const alert: Alert = {
      time,
      kind: "instance_ejected",
      subject: "gpu-1",
      message: 'connection refused\nand "more"',
      count: 10,
      suppressed: 2,
    };
    await channel.send(alert);
    await channel.send({ ...alert, suppressed: 0 });
    assert.equal(hourName(time), "20260504_09");
    const text = await Deno.readTextFile(`${folder}/data/errors/20260504_09.log`);
    const lines = text.trimEnd().split("\n");
    assert.equal(lines.length, 2);
    assert.match(
      lines[0],
      /^2026-05-04T09:20:30[+-]\d\d:\d\d instance_ejected instance=gpu-1 count=10 suppressed=2 error="connection refused and \\"more\\""$/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
