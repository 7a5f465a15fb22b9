import assert from "node:assert/strict";
import { AgeClock } from "../../lib/observe/age_clock.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 31, 12);

/** A wall clock that may be set, and one that only goes on. */
function clocks() {
  const at = { wall: START, steady: 1000 };
  const ages = new AgeClock(() => new Date(at.wall), () => at.steady);
  return {
    ages: () => ages.now().getTime() - START,
    pass: (ms: number) => {
      at.wall += ms;
      at.steady += ms;
    },
    set: (ms: number) => at.wall += ms,
    restore: (hours: number[]) => ages.restore(hours),
  };
}

Deno.test("ages are told by the wall clock as long as nobody sets it far ahead", () => {
  const { ages, pass, set } = clocks();
  pass(40 * DAY);
  assert.equal(ages(), 40 * DAY);
  set(HOUR / 2);
  assert.equal(ages(), 40 * DAY + HOUR / 2);
  set(-3 * DAY);
  assert.equal(ages(), 37 * DAY + HOUR / 2);
});

Deno.test("a clock that is set a year ahead makes nothing old, and set back changes nothing", () => {
  const { ages, pass, set } = clocks();
  set(365 * DAY);
  assert.equal(ages(), 0);
  pass(5 * HOUR);
  assert.equal(ages(), 5 * HOUR);
  set(-365 * DAY);
  assert.equal(ages(), 5 * HOUR);
  pass(2 * DAY);
  assert.equal(ages(), 2 * DAY + 5 * HOUR);
});

Deno.test("a clock that has been ahead for a day is believed, and one that was put right is not", () => {
  const { ages, pass, set } = clocks();
  set(365 * DAY);
  ages();
  pass(23 * HOUR);
  assert.equal(ages(), 23 * HOUR);
  pass(HOUR);
  assert.equal(ages(), 366 * DAY);
  set(10 * DAY);
  ages();
  set(-10 * DAY);
  ages();
  set(10 * DAY);
  pass(23 * HOUR);
  assert.equal(ages(), 366 * DAY + 23 * HOUR);
});

Deno.test("a start far behind the hours on the disk is believed when it has been so for a day", () => {
  const started = (...hoursAgo: number[]) => {
    const stand = clocks();
    stand.restore(hoursAgo.map((hours) => START - hours * HOUR));
    return stand;
  };
  for (const known of [[], [0], [1, 2, 900], [20, 40, 60, 900], [-900, 1, 20, 40]]) {
    const { ages } = started(...known);
    if (known.at(-1) !== 900 || known.length > 3) assert.equal(ages(), 0, known.join());
    else assert.equal(ages(), -898 * HOUR, "two hours have passed since");
  }
  const { ages, pass } = started(900);
  assert.equal(ages(), -900 * HOUR);
  pass(23 * HOUR);
  assert.equal(ages(), -877 * HOUR);
  pass(HOUR);
  assert.equal(ages(), DAY);
  // A start that was so ahead before.
  const again = started(12, 900);
  again.pass(11 * HOUR);
  assert.equal(again.ages(), -877 * HOUR);
  again.pass(HOUR);
  assert.equal(again.ages(), 12 * HOUR);
});

Deno.test("a stop of a week or less is believed after an hour, and no clock that goes far ahead meanwhile", () => {
  const started = (...hoursAgo: number[]) => {
    const stand = clocks();
    stand.restore(hoursAgo.map((hours) => START - hours * HOUR));
    return stand;
  };
  for (const hoursAgo of [25, 62, 7 * 24]) {
    const { ages, pass } = started(hoursAgo, hoursAgo + 1, 900);
    assert.equal(ages(), -hoursAgo * HOUR);
    pass(HOUR - 1);
    assert.equal(ages(), -(hoursAgo - 1) * HOUR - 1);
    pass(1);
    assert.equal(ages(), HOUR);
  }
  const longer = started(7 * 24 + 1);
  longer.pass(23 * HOUR);
  assert.ok(longer.ages() < 0, "more than a week: after a day");
  longer.pass(HOUR);
  assert.equal(longer.ages(), DAY);
  // Another start within that hour.
  const again = started(0.75, 62);
  again.pass(HOUR / 4);
  assert.equal(again.ages(), HOUR / 4);

  const jumped = started(62);
  jumped.pass(HOUR / 2);
  jumped.ages();
  jumped.set(365 * DAY);
  jumped.ages();
  jumped.pass(23 * HOUR);
  assert.equal(jumped.ages(), -62 * HOUR + 23.5 * HOUR);
  jumped.set(-365 * DAY);
  assert.equal(jumped.ages(), -62 * HOUR + 23.5 * HOUR);
  jumped.pass(HOUR);
  assert.equal(jumped.ages(), 24.5 * HOUR, "what was a stop is one");
});

Deno.test("a clock that is ahead by hours and then by years is believed a day after that", () => {
  const { ages, pass, set } = clocks();
  set(2 * HOUR);
  ages();
  pass(23 * HOUR);
  set(365 * DAY);
  ages();
  pass(23 * HOUR);
  assert.equal(ages(), 46 * HOUR);
  pass(HOUR);
  assert.equal(ages(), 365 * DAY + 49 * HOUR);
});
