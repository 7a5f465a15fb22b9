// What policies did in the last hour: each with its looks and finds, what was found by action and model, how
// long answers waited, and the answers that were cut last. What was found is on no page.

import { Curve } from "./curve.js";
import { millis, moment, short, whole } from "./format.js";
import { html } from "./html.js";
import { Problem, usePolled } from "./polled.js";
import { requestsLink } from "./requests_link.js";
import { Table } from "./table.js";

const AGAIN_MS = 5000;
const CUT = { outcome: "filtered" };
const CUT_SHOWN = 8;

export function PoliciesView({ t, theme, api, session }) {
  const { value: view, problem } = usePolled(api, "policies", AGAIN_MS, session);
  const some = view !== null && view.policies.length > 0;
  const newest = new URLSearchParams({ ...CUT, count: CUT_SHOWN });
  const { value: cut } = usePolled(api, some ? `requests?${newest}` : null, AGAIN_MS, session);
  return html`
    <h1 class="hidden">${t("policies")}</h1>
    <${Problem} t=${t} problem=${problem} />
    ${view === null
      ? problem === null && html`<p class="muted" role="status">${t("loading")}</p>`
      : !some
      ? html`<p class="muted">${t("no_policies")}</p>`
      : html`
        <${All} t=${t} view=${view} />
        <${Finds} t=${t} view=${view} />
        <${Curves} t=${t} theme=${theme} view=${view} />
        <${Cut} t=${t} requests=${cut === null ? [] : cut.requests} />
      `}
  `;
}

const POLICY_HEADS = [
  ["policy"],
  ["policy_type"],
  ["policy_mode"],
  ["policy_on"],
  ["policy_checks", "number"],
  ["policy_finds", "number"],
  ["policy_took", "number"],
  ["policy_errors", "number"],
];

function All({ t, view }) {
  const { policies, held } = view;
  const rows = policies.map(({ name, type, mode, on, checks, minutes, mean_ms, errors }) => ({
    key: name,
    data: { "data-policy": name },
    head: html`<a class="name" href=${requestsLink({ policy: name })}>${name}</a>`,
    cells: [
      type,
      t(`policy_mode_${mode}`),
      t(`policy_on_${on}`),
      whole(checks),
      whole(sum(minutes)),
      took(mean_ms),
      { text: whole(errors), more: errors > 0 ? "bad" : "" },
    ],
  }));
  return html`
    <section aria-labelledby="policies-title">
      <div class="head">
        <h2 id="policies-title">${t("policies_hour")}</h2>
      </div>
      <p class="sub" data-figure="held">${held.answers === 0 ? t("held_nothing") : t("held_back", {
        answers: whole(held.answers),
        mean: millis(held.mean_ms),
        worst: millis(held.worst_ms),
      })}</p>
      <${Table} t=${t} heads=${POLICY_HEADS} rows=${rows} />
    </section>
  `;
}

const FIND_HEADS = [
  ["policy"],
  ["policy_stage"],
  ["policy_mode"],
  ["policy_action"],
  ["model"],
  ["policy_finds", "number"],
  ["failing_lately", "number"],
  ["failing_newest"],
];

function Finds({ t, view }) {
  const rows = view.finds.map((
    { policy, stage, mode, action, model, count, lately, newest },
  ) => ({
    key: JSON.stringify([policy, stage, mode, action, model]),
    data: { "data-find": `${policy} ${action}`, "data-mode": mode },
    head: html`<a href=${requestsLink({ policy, model, since: "1h" })}>${policy}</a>`,
    cells: [
      t(`policy_on_${stage}`),
      t(`policy_mode_${mode}`),
      action,
      model || "–",
      whole(count),
      whole(lately),
      {
        text: html`<a href=${
          requestsLink({ policy, model, since: "1h", id: newest.id, at: newest.at })
        }>${moment(newest.at)}</a>`,
      },
    ],
  }));
  return html`<section aria-labelledby="finds-title">
    <div class="head"><h2 id="finds-title">${t("policy_found")}</h2></div>
    ${
    rows.length === 0 ? html`<p class="muted">${t("found_nothing")}</p>` : html`
      <${Table} t=${t} heads=${FIND_HEADS} rows=${rows} />
    `
  }
  </section>`;
}

/** Of policies that found something. */
function Curves({ t, theme, view }) {
  const some = view.policies.filter(({ minutes }) => sum(minutes) > 0);
  if (some.length === 0) return null;
  return html`
    <section aria-labelledby="finds-curves">
      <div class="head">
        <h2 id="finds-curves">${t("finds_a_minute")}</h2>
      </div>
      <div class="curves">${some.map(({ name, minutes }) =>
        html`
          <figure key=${name}>
            <figcaption>${name}</figcaption>
            <${Curve} times=${view.times} values=${minutes} height=${100} axes theme=${theme}
              label=${t("curve_label", {
                what: `${name}, ${t("finds_a_minute")}`,
                most: short(minutes.reduce((most, one) => Math.max(most, one), 0)),
              })} />
          </figure>
        `
      )}</div>
    </section>
  `;
}

function Cut({ t, requests }) {
  return html`<section class="cut-answers" aria-labelledby="cut-title">
    <div class="head"><h2 id="cut-title">${t("cut_answers")}</h2>
      <a class="to" href=${requestsLink(CUT)}>${t("show_requests")}</a></div>
    ${
    requests.length === 0
      ? html`<p class="muted">${t("no_cut_answers")}</p>`
      : html`<ul>${
        requests.map(({ id, at, model, key, client, policies }) =>
          html`<li key=${id}>
          <a href=${requestsLink({ ...CUT, id, at })} data-cut=${id}>${moment(at)}</a>
          <span class="sub">${
            [
              model,
              key || client,
              policies.map(({ policy }) => policy).join(", "),
            ]
              .filter((one) =>
                one !== ""
              ).join(" · ")
          }</span></li>`
        )
      }</ul>`
  }
  </section>`;
}

/** A list of words takes microseconds. */
function took(ms) {
  return ms !== null && ms < 10 ? `${ms} ms` : millis(ms);
}

function sum(values) {
  return values.reduce((total, one) => total + one, 0);
}
