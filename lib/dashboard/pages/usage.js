// What was used in a time: a sum for each key, group, model or day, a curve over the days, and all of it as CSV.

import { Curve } from "./curve.js";
import { short, whole } from "./format.js";
import { html } from "./html.js";
import { usePolled } from "./polled.js";
import { Table } from "./table.js";
import { useState } from "./vendor/libraries.js";

const BY = ["key", "group", "model", "day"];
const DAYS = { "7d": 7, "30d": 30, "365d": 365 };
const REFRESH_MS = 30_000;
const DAY_MS = 86_400_000;

export function Usage({ t, theme, api, session, priced }) {
  const [by, setBy] = useState("key");
  const [range, setRange] = useState("30d");
  const [problem, setProblem] = useState("");
  const from = dayBefore(new Date(), DAYS[range] - 1);
  const asked = new URLSearchParams({ by, from });
  const { value } = usePolled(api, `usage?${asked}`, REFRESH_MS, session);
  const { value: daily } = usePolled(
    api,
    `usage?${new URLSearchParams({ by: "day", from })}`,
    REFRESH_MS,
    session,
  );
  if (value === null) return null;
  const save = async () => {
    setProblem("");
    try {
      await api.save(`usage?${asked}&format=csv`, `usage-${by}-${from}.csv`);
    } catch (error) {
      setProblem(error.message);
    }
  };
  const choice = (name, legend, values, chosen, choose, label) =>
    html`<fieldset class="choice"><legend class="hidden">${t(legend)}</legend>
      ${
      values.map((one) =>
        html`<label key=${one}><input type="radio" name=${name} checked=${one === chosen}
          onChange=${() => choose(one)} /><span>${label(one)}</span></label>`
      )
    }</fieldset>`;
  return html`<section class="usage" aria-labelledby="usage-title">
    <div class="head">
      <h2 id="usage-title">${t("usage")}</h2>
      ${choice("usage-by", "usage_by", BY, by, setBy, (one) => t(one))}
      ${
    choice("usage-range", "period", Object.keys(DAYS), range, setRange, (one) => t(`days_${one}`))
  }
      <button type="button" onClick=${save}>CSV</button>
    </div>
    <p class="problem" role="alert">${problem}</p>
    <p class="sub">${
    t("usage_sum", { tokens: whole(value.total.tokens), requests: whole(value.total.requests) })
  }${priced ? ` · ${t("costs", { cost: value.total.cost })}` : ""}</p>
    ${
    daily !== null && daily.rows.length > 0 &&
    html`<${Days} t=${t} theme=${theme} rows=${daily.rows} from=${from} today=${daily.today} />`
  }
    ${
    value.rows.length === 0 ? html`<p class="muted">${t("nothing_used")}</p>` : html`
      <${Table} t=${t} kind="usage-rows" heads=${headsOf(by, priced)}
        rows=${value.rows.map((row) => rowOf(row, priced))} />
    `
  }
    ${
    value.left_out > 0 &&
    html`<p class="muted">${t("usage_left_out", { count: value.left_out })}</p>`
  }
  </section>`;
}

function headsOf(by, priced) {
  return [
    [by],
    ...["requests", "prompt_tokens", "cached_tokens", "completion_tokens"].map((name) => [
      name,
      "number",
    ]),
    ...(priced ? [["cost", "number"]] : []),
  ];
}

function rowOf({ values: [name], requests, prompt, cached, completion, cost }, priced) {
  return {
    key: name,
    data: { "data-used-by": name },
    head: html`<span class="name">${name === "" ? "–" : name}</span>`,
    cells: [
      ...[requests, prompt, cached, completion].map(whole),
      ...(priced ? [String(cost)] : []),
    ],
  };
}

/** Tokens of each day, those without any among them. */
function Days({ t, theme, rows, from, today }) {
  const tokens = new Map(rows.map(({ values: [day], tokens }) => [day, tokens]));
  const first = rows[0].values[0] > from ? rows[0].values[0] : from;
  const days = [];
  for (let at = Date.parse(first); at <= Date.parse(today); at += DAY_MS) {
    days.push(new Date(at).toISOString().slice(0, 10));
  }
  if (days.length < 2) return null;
  const values = days.map((day) => tokens.get(day) ?? 0);
  const most = values.reduce((one, other) => Math.max(one, other));
  return html`
    <figure>
      <figcaption>${t("tokens_a_day")}</figcaption>
      <${Curve} times=${days.map((day) =>
        Date.parse(day) / 1000
      )} values=${values} height=${110} axes
        theme=${theme} label=${t("curve_label", { what: t("tokens_a_day"), most: short(most) })} />
    </figure>
  `;
}

/** The day so many days before, in UTC: the gateway's own is at most one away. */
function dayBefore(time, days) {
  return new Date(time.getTime() - days * DAY_MS).toISOString().slice(0, 10);
}
