// What fails lately, in groups.

import assert from "node:assert/strict";
import { Failing } from "../../lib/observe/failing.ts";
import { MinuteCounts } from "../../lib/observe/minute_counts.ts";
import type { Report } from "../../lib/observe/report.ts";
import { REPORT } from "./sample_report.ts";

const MINUTE = 60_000;

function stand() {
  const clock = { ms: 1_700_000_000_000 };
  const failing = new Failing(() => clock.ms);
  const tell = (more: Partial<Report> = {}) =>
    failing.request({ ...REPORT, startedAtMs: clock.ms, ...more });
  return { clock, failing, tell };
}

const refused = {
  outcome: "rejected",
  status: 404,
  error: "The model `x` does not exist.",
} as const;

Deno.test("requests that fail alike are one group, with share and newest example", () => {
  const { failing, tell } = stand();
  for (let i = 0; i < 6; i++) tell();
  tell({ ...refused, id: "one" });
  tell({ ...refused, id: "two" });
  tell({ ...refused, id: "elsewhere", client: "10.0.0.8" });
  tell({
    outcome: "failed",
    status: 502,
    error: "a: timeout after 10.01 s, chatcmpl-0123456789abcdef0",
  });
  tell({
    outcome: "failed",
    status: 502,
    error: "a: timeout after 9 s, chatcmpl-fedcba98765432100",
  });
  const { groups, requests, failed } = failing.view();
  assert.equal(requests, 11);
  assert.equal(failed, 5);
  assert.deepEqual(groups.map(({ status, count, client }) => [status, count, client]), [
    [404, 2, "10.0.0.7"],
    [502, 2, "10.0.0.7"],
    [404, 1, "10.0.0.8"],
  ]);
  assert.equal(groups[0].newest.id, "two");
  assert.equal(groups[0].reason, refused.error);
  assert.equal(groups[1].reason, "a: timeout after # s, …");
  assert.equal(Math.round(groups[0].share * 1000), 182);
});

Deno.test("a client that left has not failed", () => {
  const { failing, tell } = stand();
  tell({ outcome: "aborted", status: 499, error: "the client left" });
  assert.deepEqual(failing.view().groups, []);
  const { requests, failed } = failing.view();
  assert.deepEqual({ requests, failed }, { requests: 1, failed: 0 });
});

Deno.test("what is older than an hour is forgotten, what is older than five minutes is not lately", () => {
  const { clock, failing, tell } = stand();
  tell(refused);
  clock.ms += 10 * MINUTE;
  tell(refused);
  assert.deepEqual(failing.view().groups.map(({ count, lately }) => [count, lately]), [[2, 1]]);
  clock.ms += 51 * MINUTE;
  assert.deepEqual(failing.view().groups.map(({ count, lately }) => [count, lately]), [[1, 0]]);
  clock.ms += 10 * MINUTE;
  assert.deepEqual(failing.view().groups, []);
  clock.ms += 1000 * MINUTE;
  tell(refused);
  assert.equal(failing.view().requests, 1);
});

Deno.test("however many ways there are to fail, the groups stay few and none is lost", () => {
  const { failing, tell } = stand();
  const letters = (index: number) =>
    String(index).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]);
  for (let i = 0; i < 1000; i++) tell({ ...refused, error: `reason ${letters(i)}` });
  const { groups, failed } = failing.view(1000);
  assert.equal(failed, 1000);
  assert.ok(groups.length <= 301);
  assert.equal(groups.reduce((sum, { count }) => sum + count, 0), 1000);
});

Deno.test("invented names have the groups looked through once a minute, however many come", () => {
  const { clock, failing, tell } = stand();
  let sums = 0;
  const { sum } = MinuteCounts.prototype;
  MinuteCounts.prototype.sum = function (minute, count) {
    sums++;
    return sum.call(this, minute, count);
  };
  try {
    for (let i = 0; i < 2000; i++) tell({ ...refused, model: `invented-${i}` });
    assert.ok(sums > 0 && sums < 1000, `${sums}`);
  } finally {
    MinuteCounts.prototype.sum = sum;
  }
  clock.ms += 61 * MINUTE;
  tell(refused);
  assert.deepEqual(failing.view().groups.map(({ count }) => count), [1]);
});
