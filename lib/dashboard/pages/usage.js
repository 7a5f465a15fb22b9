// What was used in a time: a sum for each key (or client, where there are no keys), group, model or day, a
// curve over the days, of all or of one of them, and all of it as CSV.

import { problemText } from "./api.js";
import { Curve } from "./curve.js";
import { short, whole } from "./format.js";
import { html } from "./html.js";
import { PartProblem, usePolled } from "./polled.js";
import { Table } from "./table.js";
import { useState } from "./vendor/libraries.js";

const BY = ["key", "group", "model", "day"];
const BY_WITHOUT_KEYS = ["client", "model", "day"];
/** A curve can be of one of these. */
const CURVES_OF = ["key", "client", "model"];
/** What the gateway calls clients that have no line of their own. */
const OTHER_CLIENTS = "others";
const DAYS = { "7d": 7, "30d": 30, "365d": 365 };
const REFRESH_MS = 30_000;
const DAY_MS = 86_400_000;

export function Usage({ t, theme, api, session, keyed, priced }) {
  const kinds = keyed ? BY : BY_WITHOUT_KEYS;
  const [by, setBy] = useState(kinds[0]);
  const [range, setRange] = useState("30d");
  /** The one that the curve is of; "" for all. */
  const [one, setOne] = useState("");
  const [problem, setProblem] = useState("");
  const from = dayBefore(new Date(), DAYS[range] - 1);
  const asked = new URLSearchParams({ by, from });
  const { value, problem: unread } = usePolled(api, `usage?${asked}`, REFRESH_MS, session);
  const { value: daily } = usePolled(
    api,
    `usage?${new URLSearchParams({ by: "day", from, ...(one === "" ? {} : { [by]: one }) })}`,
    REFRESH_MS,
    session,
  );
  if (value === null) return html`<${PartProblem} t=${t} problem=${unread} />`;
  const save = async () => {
    setProblem("");
    try {
      await api.save(`usage?${asked}&format=csv`, `usage-${by}-${from}.csv`);
    } catch (error) {
      setProblem(problemText(t, error));
    }
  };
  const chooseBy = (kind) => {
    setBy(kind);
    setOne("");
  };
  const pick = CURVES_OF.includes(by) ? (name) => setOne(name === one ? "" : name) : null;
  const choice = (name, legend, values, chosen, choose, label) =>
    html`<fieldset class="choice"><legend class="hidden">${t(legend)}</legend>
      ${
      values.map((value) =>
        html`<label key=${value}><input type="radio" name=${name} checked=${value === chosen}
          onChange=${() => choose(value)} /><span>${label(value)}</span></label>`
      )
    }</fieldset>`;
  return html`<section class="usage" aria-labelledby="usage-title">
    <div class="head">
      <h2 id="usage-title">${t("usage")}</h2>
      ${choice("usage-by", "usage_by", kinds, by, chooseBy, (kind) => t(kind))}
      ${
    choice(
      "usage-range",
      "period",
      Object.keys(DAYS),
      range,
      setRange,
      (value) => t(`days_${value}`),
    )
  }
      <button type="button" onClick=${save}>CSV</button>
    </div>
    <p class="problem" role="alert">${problem}</p>
    <p class="sub">${
    t("usage_sum", { tokens: whole(value.total.tokens), requests: whole(value.total.requests) })
  }${priced ? ` · ${t("costs", { cost: value.total.cost })}` : ""}</p>
    ${
    daily !== null && daily.rows.length > 0 &&
    html`
      <${Days} t=${t} theme=${theme} rows=${daily.rows} from=${from} today=${daily.today}
        what=${one === "" ? t("tokens_a_day") : t("tokens_a_day_of", { name: one })} />
    `
  }
    ${
    value.rows.length === 0 ? html`<p class="muted">${t("nothing_used")}</p>` : html`
      <${Table} t=${t} kind="usage-rows" heads=${headsOf(by, priced)}
        rows=${value.rows.map((row) => rowOf(t, row, { by, priced, one, pick }))} />
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

function rowOf(t, { values: [name], ...figures }, { by, priced, one, pick }) {
  const { requests, prompt, cached, completion, cost } = figures;
  const shown = by === "client" && name === OTHER_CLIENTS ? t("other_clients") : name;
  return {
    key: name,
    data: { "data-used-by": name },
    head: name === "" || pick === null
      ? html`<span class="name">${name === "" ? "–" : shown}</span>`
      : html`
        <button type="button" class="name pick" aria-pressed=${name === one} title=${t(
          "curve_of_this",
        )}
          onClick=${() => pick(name)}>${shown}</button>
      `,
    cells: [
      ...[requests, prompt, cached, completion].map(whole),
      ...(priced ? [String(cost)] : []),
    ],
  };
}

/** Tokens of each day, those without any among them. */
function Days({ t, theme, rows, from, today, what }) {
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
      <figcaption>${what}</figcaption>
      <${Curve} times=${days.map((day) =>
        Date.parse(day) / 1000
      )} values=${values} height=${110} axes
        theme=${theme} label=${t("curve_label", { what, most: short(most) })} />
    </figure>
  `;
}

/** The day so many days before, in UTC: the gateway's own is at most one away. */
function dayBefore(time, days) {
  return new Date(time.getTime() - days * DAY_MS).toISOString().slice(0, 10);
}
