// Days and months as a time zone has them.

import assert from "node:assert/strict";
import { Periods } from "../../../lib/caller/usage/period.ts";

const HOUR = 3_600_000;
const at = (iso: string) => Date.parse(iso);

Deno.test("access 23: a month ends in its time zone, not in UTC", () => {
  const shanghai = new Periods("Asia/Shanghai");
  const last = at("2026-11-30T15:59:59.999Z");
  assert.equal(shanghai.nameOf("month", last), "2026-11");
  assert.equal(shanghai.nameOf("day", last), "2026-11-30");
  assert.equal(shanghai.endOf("month", last), last + 1);
  assert.equal(shanghai.endOf("day", last), last + 1);
  assert.equal(shanghai.nameOf("month", last + 1), "2026-12");
  assert.equal(new Periods("UTC").nameOf("month", last + 1), "2026-11");
  const losAngeles = new Periods("America/Los_Angeles");
  assert.equal(losAngeles.nameOf("month", at("2026-12-01T07:59:59Z")), "2026-11");
  assert.equal(losAngeles.nameOf("month", at("2026-12-01T08:00:00Z")), "2026-12");
});

Deno.test("access 23: days of 23 and 25 hours have one name and one end", () => {
  const berlin = new Periods("Europe/Berlin");
  for (
    const [noon, hours, name] of [
      ["2026-03-29T10:00:00Z", 23, "2026-03-29"],
      ["2026-10-25T11:00:00Z", 25, "2026-10-25"],
      ["2026-06-01T10:00:00Z", 24, "2026-06-01"],
    ] as const
  ) {
    const { start, end, name: found } = berlin.dayAt(at(noon));
    assert.equal(found, name);
    assert.equal((end - start) / HOUR, hours);
    for (let ms = start; ms < end; ms += HOUR / 2) {
      assert.equal(new Periods("Europe/Berlin").nameOf("day", ms), name);
    }
    assert.notEqual(berlin.nameOf("day", start - 1), name);
    assert.notEqual(berlin.nameOf("day", end), name);
  }
});

Deno.test("access 23: a day that begins at one o'clock, since midnight is left out, ends right", () => {
  // Cairo goes over to summer time at midnight.
  const cairo = new Periods("Africa/Cairo");
  const { start, end } = cairo.dayAt(at("2026-04-24T12:00:00Z"));
  assert.equal(new Date(start).toISOString(), "2026-04-23T22:00:00.000Z");
  assert.equal((end - start) / HOUR, 23);
});

Deno.test("access 23: offsets that are no whole hours are kept", () => {
  const kathmandu = new Periods("Asia/Kathmandu");
  const end = kathmandu.endOf("day", at("2026-11-26T12:00:00Z"))!;
  assert.equal(new Date(end).toISOString(), "2026-11-26T18:15:00.000Z");
});

Deno.test("access 23: a clock that is set back finds the day before again, by the same name", () => {
  const periods = new Periods("UTC");
  const before = at("2026-11-30T23:59:00Z");
  assert.equal(periods.nameOf("month", before), "2026-11");
  assert.equal(periods.nameOf("month", before + 2 * 60_000), "2026-12");
  assert.equal(periods.nameOf("month", before), "2026-11");
  assert.equal(periods.endOf("month", before), at("2026-12-01T00:00:00Z"));
});

Deno.test("February ends after 28 or 29 days, and the year after December", () => {
  const periods = new Periods("UTC");
  const end = (iso: string) => new Date(periods.endOf("month", at(iso))!).toISOString();
  assert.equal(end("2027-02-10T00:00:00Z"), "2027-03-01T00:00:00.000Z");
  assert.equal(end("2028-02-10T00:00:00Z"), "2028-03-01T00:00:00.000Z");
  assert.equal(end("2026-12-31T23:59:59Z"), "2027-01-01T00:00:00.000Z");
});

Deno.test("what is prepaid has one period that never ends", () => {
  const periods = new Periods("UTC");
  assert.equal(periods.nameOf("total", 0), periods.nameOf("total", Date.now()));
  assert.equal(periods.endOf("total", 0), null);
});

Deno.test("a day is found once, whichever others are asked for in between", () => {
  const periods = new Periods("Europe/Berlin");
  const now = Date.UTC(2026, 10, 27, 12);
  const today = periods.dayAt(now);
  for (let hour = 0; hour < 12; hour++) {
    periods.dayAt(now - 3 * 86_400_000);
    periods.dayAt(now - 70 * 86_400_000);
    assert.equal(periods.dayAt(now + hour * 3_600_000 - 43_200_000), today);
  }
});
