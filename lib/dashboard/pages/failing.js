// What fails lately: groups by status, model, reason and client, with a link to the newest example of each.

import { moment, whole } from "./format.js";
import { html } from "./html.js";
import { usePolled } from "./polled.js";
import { requestsLink } from "./requests_link.js";
import { Table } from "./table.js";
import { useState } from "./vendor/libraries.js";

const REFRESH_MS = 5000;
const SHOWN = 8;

/** Nothing where not `some` fail, or where who looks may not see requests. */
export function FailingPanel({ t, api, session, some }) {
  const { value: view } = usePolled(api, some ? "failing" : null, REFRESH_MS, session);
  const [all, setAll] = useState(false);
  if (view === null || view.groups.length === 0) return null;
  const groups = all ? view.groups : view.groups.slice(0, SHOWN);
  return html`<section aria-labelledby="failing-title" class="failing">
    <h2 id="failing-title">${t("failing_title")} <span class="count">${
    t("failing_sum", { failed: whole(view.failed), all: whole(view.requests) })
  }</span></h2>
    <${Table} t=${t} heads=${HEADS} rows=${groups.map((one) => rowOf(t, one))} />
    ${
    view.groups.length > SHOWN &&
    html`<p class="row"><button type="button" onClick=${() => setAll(!all)}>${
      t(all ? "show_fewer" : "show_all", { count: view.groups.length })
    }</button></p>`
  }
  </section>`;
}

const HEADS = [
  ["reason"],
  ["status", "number"],
  ["model"],
  ["client"],
  ["failing_count", "number"],
  ["failing_share", "number"],
  ["failing_lately", "number"],
  ["failing_newest"],
];

function rowOf(t, { status, model, reason, client, count, share, lately, newest }) {
  const meant = { outcome: "failing", status: status || "", model, client, since: "1h" };
  return {
    key: JSON.stringify([status, model, reason, client]),
    data: { "data-status": status },
    head: html`<a href=${requestsLink(meant)}>${reason || t("failing_other")}</a>`,
    cells: [
      status === 0 ? "–" : String(status),
      model || "–",
      client || "–",
      { text: whole(count), more: "bad" },
      percent(share),
      whole(lately),
      {
        text: html`<a href=${requestsLink({ ...meant, id: newest.id, at: newest.at })}>${
          moment(newest.at)
        }</a>`,
      },
    ],
  };
}

/** 0.2 %, 12 % */
function percent(share) {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? Math.round(value) : Math.max(0.1, value).toFixed(1)} %`;
}
