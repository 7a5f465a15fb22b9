// When people are told, and what stands in the error log.

import assert from "node:assert/strict";
import { Alerts } from "../../lib/alert/alerts.ts";
import type { Alert, AlertChannel } from "../../lib/alert/alert.ts";
import { ErrorFileChannel } from "../../lib/alert/channels/error_file.ts";
import { hourName } from "../../lib/observe/hour_name.ts";

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
      severity: "warning",
      resolved: false,
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

const told = ({ alerts }: Sent) =>
  alerts.map(({ kind, subject, resolved }) => `${resolved ? "over " : ""}${kind} ${subject}`);

Deno.test("the end of a trouble is told once, and only where the trouble was told", () => {
  const { channel, alerts } = stand();
  assert.equal(alerts.end("disk_low", "data_dir", "was never low"), false);
  alerts.raise("disk_low", "data_dir", "low");
  assert.ok(alerts.isActive("disk_low", "data_dir"));
  assert.equal(alerts.end("disk_low", "data_dir", "enough"), true);
  assert.equal(alerts.end("disk_low", "data_dir", "enough"), false);
  assert.ok(!alerts.isActive("disk_low", "data_dir"));
  assert.deepEqual(told(channel), ["disk_low data_dir", "over disk_low data_dir"]);
});

Deno.test("one recovery ends whatever the instance was out for", () => {
  const { channel, alerts } = stand();
  alerts.raise("instance_ejected", "gpu-1", "boom");
  alerts.raise("instance_down", "gpu-1", "refused");
  alerts.raise("instance_down", "gpu-2", "refused");
  alerts.end("instance_recovered", "gpu-1", "back");
  assert.deepEqual(told(channel).slice(3), ["over instance_recovered gpu-1"]);
  assert.ok(alerts.isActive("instance_down", "gpu-2"));
});

Deno.test("what comes and goes within the cooldown is told when it stays", () => {
  const { channel, clock, alerts } = stand();
  for (let i = 0; i < 3; i++) {
    alerts.raise("instance_down", "gpu-1", `refused ${i}`);
    alerts.end("instance_recovered", "gpu-1", "back");
    clock.now += 10_000;
  }
  assert.deepEqual(told(channel), ["instance_down gpu-1", "over instance_recovered gpu-1"]);
  alerts.raise("instance_down", "gpu-1", "refused at last");
  alerts.tick();
  assert.equal(channel.alerts.length, 2, "the cooldown lasts");
  clock.now += 300_000;
  alerts.tick();
  alerts.tick();
  assert.equal(channel.alerts.length, 3);
  assert.equal(channel.alerts[2].message, "refused at last");
  assert.equal(channel.alerts[2].suppressed, 3);
});

Deno.test("trouble of what is no longer configured is over", () => {
  const { channel, alerts } = stand();
  alerts.raise("no_instance", "old", "nobody");
  alerts.raise("no_instance", "kept", "nobody");
  alerts.endOthers("no_instance", new Set(["kept"]), "gone");
  assert.deepEqual(told(channel).slice(2), ["over no_instance old"]);
});

Deno.test("ten thousand subjects are remembered, not more", () => {
  const { channel, alerts } = stand();
  for (let i = 0; i < 10_001; i++) alerts.raise("instance_down", `gpu-${i}`, "boom");
  alerts.raise("instance_down", "gpu-10000", "boom");
  assert.equal(channel.alerts.length, 10_001);
  alerts.raise("instance_down", "gpu-0", "boom");
  assert.equal(channel.alerts.length, 10_002, "the oldest was forgotten");
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
      severity: "warning",
      resolved: false,
    };
    await channel.send(alert);
    await channel.send({ ...alert, kind: "disk_low", suppressed: 0, resolved: true });
    assert.equal(hourName(time), "20260504_09");
    const text = await Deno.readTextFile(`${folder}/data/errors/20260504_09.log`);
    const lines = text.trimEnd().split("\n");
    assert.equal(lines.length, 2);
    assert.match(
      lines[0],
      /^2026-05-04T09:20:30[+-]\d\d:\d\d instance_ejected instance=gpu-1 count=10 suppressed=2 error="connection refused and \\"more\\""$/,
    );
    assert.match(lines[1], / disk_low instance=gpu-1 state=resolved count=10 error=/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
