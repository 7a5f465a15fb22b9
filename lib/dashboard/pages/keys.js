// Who uses how much: the top users, then each key and group with bars for the minute, the day and the
// month; where there are no keys, clients by their addresses. Names are of the configuration or of tokens, and are shown as text.

import { moment, short, whole } from "./format.js";
import { html } from "./html.js";
import { Problem, usePolled } from "./polled.js";
import { Usage } from "./usage.js";
import { useState } from "./vendor/libraries.js";

const AGAIN_MS = 3000;
/** Share of a limit from which on its bar is drawn as a warning. */
const ALMOST = 0.8;

export function KeysView({ t, theme, api, session }) {
  const [query, setQuery] = useState("");
  const [period, setPeriod] = useState("day");
  const asked = new URLSearchParams({ q: query });
  const { value: view, problem } = usePolled(api, `keys?${asked}`, AGAIN_MS, session);
  return html`
    <h1 class="hidden">${t("keys")}</h1>
    <${Problem} t=${t} problem=${problem} />
    ${view === null
      ? problem === null && html`<p class="muted" role="status">${t("loading")}</p>`
      : !view.keyed
      ? html`
        <p class="muted">${t("no_keys_needed")}</p>
        <${Usage} t=${t} theme=${theme} api=${api} session=${session} keyed=${false}
          priced=${false} />
      `
      : html`
        <${Top} t=${t} view=${view} period=${period} setPeriod=${setPeriod} />
        <${Keys} t=${t} view=${view} query=${query} setQuery=${setQuery} />
        <${Groups} t=${t} view=${view} />
        <${Usage} t=${t} theme=${theme} api=${api} session=${session} keyed
          priced=${view.priced} />
      `}
  `;
}

function Top({ t, view, period, setPeriod }) {
  const users = view.top[period];
  return html`
    <section class="top-users" aria-labelledby="top-title">
      <div class="head">
        <h2 id="top-title">${t("top_users")}</h2>
        <fieldset class="choice">
          <legend class="hidden">${t("period")}</legend>
          ${["day", "month"].map((one) =>
            html`<label key=${one}><input type="radio" name="period" checked=${period === one}
              onChange=${() => setPeriod(one)} /><span>${t(`period_${one}`)}</span></label>`
          )}
        </fieldset>
      </div>
      ${users.length === 0
        ? html`<p class="muted">${t("nothing_used")}</p>`
        : html`<ol>${
          users.map((user) =>
            html`
              <li key=${user.name} data-user=${user.name}>
                <span class="name">${user.name}</span>
                <${Bar} ratio=${user.share} plain label=${t("share_of_all", {
                  name: user.name,
                  percent: percent(user.share),
                })} />
                <span class="sub">${percent(user.share)} % · ${usedText(t, view, user.used)}</span>
              </li>
            `
          )
        }</ol>`}
    </section>
  `;
}

function Keys({ t, view, query, setQuery }) {
  const { keys, found } = view;
  return html`
    <section aria-labelledby="keys-title">
      <div class="head">
        <h2 id="keys-title">${t("keys_list")} <span class="count">${found}</span></h2>
        <label class="plain"><span class="hidden">${t("search_keys")}</span>
          <input type="search" value=${query} placeholder=${t("search_keys")}
            onInput=${(event) => setQuery(event.target.value)} /></label>
      </div>
      ${keys.length === 0 ? html`<p class="muted" role="status">${t("no_match")}</p>` : html`
        <table class="keys" role="table">
          <thead role="rowgroup">
            <tr role="row">
            ${["key", "in_flight", "per_minute", "period_day", "period_month"].map((name) =>
              html`<th key=${name} scope="col" role="columnheader" class=${
                name === "in_flight" ? "number" : ""
              }>${t(name)}</th>`
            )}
          </tr>
          </thead>
          <tbody role="rowgroup">${keys.map((one) =>
            html`
              <${Row} key=${one.name} t=${t} view=${view} one=${one} inFlight=${one.in_flight}>
                <span class="sub">${marksOf(t, one).join(" · ")}</span>
                </${Row}>
            `
          )}</tbody>
        </table>
      `}
      ${found > keys.length &&
        html`<p class="muted">${t("most_used_only", { some: keys.length, all: found })}</p>`}
    </section>
  `;
}

function Groups({ t, view }) {
  if (view.groups.length === 0) return null;
  return html`
    <section aria-labelledby="groups-title">
      <h2 id="groups-title">${t("groups")} <span class="count">${view.groups.length}</span></h2>
      <table class="keys groups" role="table">
        <thead role="rowgroup">
          <tr role="row">
          ${["group", "per_minute", "period_day", "period_month"].map((name) =>
            html`<th key=${name} scope="col" role="columnheader">${t(name)}</th>`
          )}
        </tr>
        </thead>
        <tbody role="rowgroup">${view.groups.map((one) =>
          html`<${Row} key=${one.name} t=${t} view=${view} one=${one} inFlight=${null} />`
        )}</tbody>
      </table>
    </section>
  `;
}

function Row({ t, view, one, inFlight, children }) {
  return html`
    <tr role="row" data-key=${one.name}>
      <th scope="row" role="rowheader"><span class="name">${one.name}</span>${children}</th>
      ${inFlight !== null &&
        html`<td role="cell" data-label=${t("in_flight")} class="number">${whole(inFlight)}</td>`}
      <td role="cell" data-label=${t("per_minute")} class="minute">${minuteBars(t, one)}</td>
      <td role="cell" data-label=${t("period_day")} class="day">
        <span class="sub">${usedText(t, view, one.day)}</span>${budgetBars(t, one, ["day"])}</td>
      <td role="cell" data-label=${t("period_month")} class="month">
        <span class="sub">${usedText(t, view, one.month)}</span>${budgetBars(t, one, [
          "month",
          "total",
        ])}</td>
    </tr>
  `;
}

/** State, group, end and note, as far as there is something to say. */
function marksOf(t, one) {
  return [
    ...(one.state === "active" ? [] : [t(`key_${one.state}`)]),
    ...(one.group === null ? [] : [one.group]),
    ...(one.expires_at === null || one.state === "expired"
      ? []
      : [t("key_until", { time: moment(one.expires_at) })]),
    ...(one.note === "" ? [] : [one.note]),
  ];
}

function minuteBars(t, one) {
  if (one.limits.length === 0) return html`<span class="sub">${t("no_limit")}</span>`;
  return one.limits.map(({ limit, allowed, remaining }) => {
    const used = Math.max(0, allowed - remaining);
    const text = t(`limit_${limit}`, { used: short(used), all: short(allowed) });
    return html`
      <div class="gauge" key=${limit} data-limit=${limit}>
        <${Bar} ratio=${used / allowed} label=${`${one.name}: ${text}`} />
        <span class="sub">${text}</span>
      </div>
    `;
  });
}

function budgetBars(t, one, periods) {
  return one.budgets.filter(({ period }) => periods.includes(period)).map((budget) => {
    const { period, tokens, cost, used_tokens, used_cost, used_ratio, resets_at } = budget;
    const parts = [
      ...(tokens === null
        ? []
        : [t("budget_tokens", { used: short(used_tokens), all: short(tokens) })]),
      ...(cost === null ? [] : [t("budget_cost", { used: money(used_cost), all: money(cost) })]),
      ...(period === "total" ? [t("prepaid")] : []),
    ];
    const text = parts.join(" · ");
    return html`
      <div class="gauge" key=${period} data-budget=${period}
        title=${resets_at === null ? "" : t("begins_anew", { time: moment(resets_at) })}>
        <${Bar} ratio=${used_ratio} label=${`${one.name}: ${text}`} />
        <span class="sub">${text}</span>
      </div>
    `;
  });
}

/** `plain` where it is a mere share, which is neither good nor bad. */
function Bar({ ratio, label, plain = false }) {
  const kind = plain ? "plain" : ratio >= 1 ? "full" : ratio >= ALMOST ? "almost" : "";
  return html`
    <div class=${`bar ${kind}`} role="meter" aria-label=${label} aria-valuemin="0"
      aria-valuemax="100" aria-valuenow=${Math.min(100, percent(ratio))}>
        <span style=${{ width: `${Math.min(100, ratio * 100)}%` }}></span></div>
  `;
}

function usedText(t, view, { tokens, requests, cost }) {
  const text = t("used", { tokens: short(tokens), requests: short(requests) });
  return view.priced ? `${text} · ${t("costs", { cost: money(cost) })}` : text;
}

function percent(ratio) {
  return Math.round(ratio * 100);
}

/** 0.0031, 12.40, 1.2k */
function money(value) {
  if (value === 0 || value >= 1000) return short(value);
  return value < 0.01 ? value.toPrecision(2) : value.toFixed(2);
}
