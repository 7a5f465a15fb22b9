// The fleet at a glance: the whole in figures and two curves, then each instance and each model.

import { problemText } from "./api.js";
import { Curve } from "./curve.js";
import { FailingPanel } from "./failing.js";
import { duration, millis, moment, short, whole } from "./format.js";
import { html } from "./html.js";
import { LongHistory } from "./long_history.js";
import { conditionText, instanceLink } from "./instance.js";
import { requestsLink } from "./requests_link.js";
import { Table } from "./table.js";
import { sentence } from "./words_outlook.js";
import { useState } from "./vendor/libraries.js";

const highest = (values) => values.reduce((most, value) => Math.max(most, value ?? 0), 0);

export function FleetView({ t, theme, api, live, act, session }) {
  const { snapshot, history } = live;
  const [said, setSaid] = useState({ text: "", bad: false });
  if (snapshot === null) return html`<p class="muted" role="status">${t("loading")}</p>`;
  const change = async (name, drained) => {
    try {
      const done = await act(drained ? "undrain" : "drain", { instance: name });
      if (done === null) return;
      setSaid({ text: t(drained ? "undrained_done" : "drained_done", { name }), bad: false });
    } catch (error) {
      setSaid({ text: problemText(t, error), bad: true });
    }
  };
  return html`
    <h1 class="hidden">${t("fleet")}</h1>
    <${Totals} t=${t} snapshot=${snapshot} />
    <${ToDo} t=${t} snapshot=${snapshot} />
    <div class="curves">
      <${TotalCurve} t=${t} theme=${theme} history=${history} name="requests_per_second" />
      <${TotalCurve} t=${t} theme=${theme} history=${history} name="tokens_per_second" />
    </div>
    <${FailingPanel} t=${t} api=${api} session=${session}
      some=${snapshot.last_hour.failed > 0} />
    <p class=${said.bad ? "said problem" : "said"} role="status">${said.text}</p>
    <${Instances} t=${t} theme=${theme} snapshot=${snapshot} history=${history}
      change=${change} />
    <${Models} t=${t} models=${snapshot.models} />
    <${Gateways} t=${t} gateways=${snapshot.gateways ?? []} />
    <${LongHistory} t=${t} theme=${theme} api=${api} session=${session} subject="" />
    <${Footer} t=${t} snapshot=${snapshot} />
  `;
}

/** Models of one instance that are written out. */
const NAMED = 4;
/** Things to do that are shown at first. */
const TO_DO = 10;

function Totals({ t, snapshot }) {
  const { totals, waiting, outlook } = snapshot;
  const ttft = `${millis(totals.ttft_p50_ms)} / ${millis(totals.ttft_p99_ms)}`;
  const figures = [
    ["requests_per_second", short(totals.requests_per_second)],
    ["tokens_per_second", short(totals.tokens_per_second)],
    ["ttft_both", ttft, t("ttft_long")],
    ["in_flight", whole(totals.in_flight)],
    ["waiting", whole(waiting)],
    ["requests", whole(totals.requests)],
    ["errors", whole(totals.errors)],
  ];
  return html`
    <section class="totals" aria-label=${t("status")}>
      <div>
        <p class=${`status ${outlook.strength.level}`}><span class="dot" aria-hidden="true"></span>${said(
          t,
          outlook.strength,
        )}</p>
        <p class=${`feel ${outlook.clients.level}`}>${said(t, outlook.clients)}</p>
        ${outlook.last_hour !== null &&
          html`<p class="sub"><a href=${requestsLink({ outcome: "failing", since: "1h" })}>${
            said(t, outlook.last_hour)
          }</a></p>`}
      </div>
      <dl>
          ${figures.map(([name, value, title]) =>
            html`
              <div key=${name} class=${name} title=${title}>
                <dt>${t(name)}</dt>
                <dd data-figure=${name}>${value}</dd>
              </div>
            `
          )}
        </dl>
    </section>
  `;
}

const said = (t, one) => sentence(t, one, moment);

/** Whoever is out, why and since when, and what is to be done about it; nothing where all is well. */
function ToDo({ t, snapshot }) {
  const { todo } = snapshot.outlook;
  const [all, setAll] = useState(false);
  if (todo.length === 0) return null;
  const shown = all ? todo : todo.slice(0, TO_DO);
  const condition = (name) => snapshot.instances.find((one) => one.name === name);
  return html`<section class="to-do" aria-labelledby="to-do-title">
    <h2 id="to-do-title">${t("to_do")}</h2>
    <ul>
      ${
    shown.map((one) =>
      html`
        <li key=${`${one.words} ${one.instance || JSON.stringify(one.values)}`} class=${one.level}>
          <span class="dot" aria-hidden="true"></span>
          <div>
            ${one.instance !== "" && html`
              <p>
                <a class="name" href=${instanceLink(one.instance)}>${one
                  .instance}</a>: ${conditionText(
                    t,
                    condition(one.instance),
                    snapshot.time,
                  )}
              </p>
            `}
            <p class=${one.instance === "" ? "" : "sub"}>${said(t, one)}</p>
          </div>
        </li>
      `
    )
  }
    </ul>
    ${
    todo.length > TO_DO &&
    html`<p class="row"><button type="button" onClick=${() => setAll(!all)}>${
      t(all ? "show_fewer" : "show_all", { count: todo.length })
    }</button></p>`
  }
  </section>`;
}

function TotalCurve({ t, theme, history, name }) {
  const values = history.totals[name];
  const now = short(values.at(-1));
  const label = t("total_history", { what: t(name), now, most: short(highest(values)) });
  return html`
    <figure>
      <figcaption>${t(name)}</figcaption>
      <${Curve} times=${history.times} values=${values} height=${110} axes theme=${theme}
        label=${label} />
    </figure>
  `;
}

const INSTANCE_HEADS = [
  ["instance"],
  ["state"],
  ["in_flight", "number"],
  ["requests_per_second", "number"],
  ["tokens_per_second", "number"],
  ["ttft", "number"],
  ["requests", "number"],
  ["errors", "number"],
  ["history"],
  ["actions", "action"],
];

function Instances({ t, theme, snapshot, history, change }) {
  const { instances } = snapshot;
  const rows = instances.map((one) =>
    instanceRow(one, {
      t,
      theme,
      times: history.times,
      curves: history.instances[one.name],
      change,
    })
  );
  return html`<section aria-labelledby="instances-title">
    <h2 id="instances-title">${t("instances")} <span class="count">${instances.length}</span></h2>
    ${
    instances.length === 0
      ? html`<p class="muted">${t("no_instances")}</p>`
      : html`<${Table} t=${t} kind="instances" heads=${INSTANCE_HEADS} rows=${rows} />`
  }
  </section>`;
}

function instanceRow(one, { t, theme, times, curves, change }) {
  const { name } = one;
  const values = curves?.requests_per_second ?? times.map(() => null);
  const label = t("history_of", {
    name,
    now: short(one.requests_per_second),
    most: short(highest(values)),
  });
  const limit = one.max_concurrency === null ? "" : ` / ${one.max_concurrency}`;
  const drain = html`
    <button type="button" class="small" aria-label=${t(
      one.drained ? "undrain_name" : "drain_name",
      { name },
    )} onClick=${() => change(name, one.drained)}>${t(one.drained ? "undrain" : "drain")}</button>
  `;
  return {
    key: name,
    data: { "data-instance": name },
    head: html`
      <a class="name" href=${instanceLink(name)} aria-label=${t("instance_of", {
        name,
      })}>${name}</a>
      <span class="sub" title=${`${one.url}\n${one.models.join(", ")}`}>${[
        modelsOf(one),
        ...marksOf(t, one),
      ].join(" · ")}</span>
    `,
    cells: [
      { text: html`<${Chip} t=${t} state=${one.state} />` },
      `${whole(one.in_flight)}${limit}`,
      short(one.requests_per_second),
      short(one.tokens_per_second),
      {
        text: html`<span title=${t("ttft_long")}>${millis(one.ttft_p50_ms)}<span class="sub">${
          millis(one.ttft_p99_ms)
        }</span></span>`,
        more: "ttft",
      },
      whole(one.requests),
      { text: whole(one.errors), more: one.errors > 0 ? "bad" : "" },
      {
        text: html`
          <${Curve} times=${times} values=${values} height=${34} theme=${theme}
            label=${label} />
        `,
        more: "spark",
      },
      { text: drain },
    ],
  };
}

function modelsOf({ models }) {
  const named = models.slice(0, NAMED).join(", ");
  return models.length > NAMED ? `${named} +${models.length - NAMED}` : named;
}

/** What else is to be known of it beside its models. */
function marksOf(t, { fallback, weight, drained }) {
  return [
    ...(fallback ? [t("fallback")] : []),
    ...(weight !== 1 && !drained ? [t("weight", { weight })] : []),
    ...(drained ? [t("drained")] : []),
  ];
}

function Chip({ t, state }) {
  return html`<span class=${`chip ${state}`}><span class="dot" aria-hidden="true"></span>${
    t(`state_${state}`)
  }</span>`;
}

function Models({ t, models }) {
  if (models.length === 0) return null;
  const heads = [
    ["model"],
    ["available", "number"],
    ["requests_per_second", "number"],
    ["tokens_per_second", "number"],
    ["ttft_both", "number"],
    ["requests", "number"],
    ["errors", "number"],
    ["tokens", "number"],
  ];
  const rows = models.map((one) => ({
    key: one.name,
    data: { "data-model": one.name },
    head: html`<span class="name">${one.name}</span>`,
    cells: [
      {
        text: t("of", { some: one.available, all: one.instances }),
        more: one.available === 0 ? "bad" : "",
      },
      short(one.requests_per_second),
      short(one.tokens_per_second),
      `${millis(one.ttft_p50_ms)} / ${millis(one.ttft_p99_ms)}`,
      whole(one.requests),
      { text: whole(one.errors), more: one.errors > 0 ? "bad" : "" },
      `${short(one.prompt_tokens)} / ${short(one.completion_tokens)}`,
    ],
  }));
  return html`
    <section aria-labelledby="models-title">
      <h2 id="models-title">${t("models")} <span class="count">${models.length}</span></h2>
      <${Table} t=${t} kind="models" heads=${heads} rows=${rows} />
    </section>
  `;
}

/** The gateways in front of these instances, this one first; nothing where it is alone. */
function Gateways({ t, gateways }) {
  if (gateways.length === 0) return null;
  const heads = [
    ["gateway"],
    ["uptime", "number"],
    ["in_flight", "number"],
    ["waiting", "number"],
    ["requests_per_second", "number"],
    ["tokens_per_second", "number"],
    ["requests", "number"],
    ["errors", "number"],
    ["heard", "number"],
  ];
  const rows = gateways.map((one) => ({
    key: one.name,
    data: { "data-gateway": one.name },
    head: html`<span class="name">${one.name}</span>`,
    cells: [
      duration(one.uptime_seconds),
      whole(one.in_flight),
      whole(one.waiting),
      short(one.requests_per_second),
      short(one.tokens_per_second),
      whole(one.requests),
      whole(one.errors),
      millis(one.age * 1000),
    ],
  }));
  return html`
    <section aria-labelledby="gateways-title">
      <h2 id="gateways-title">${t("gateways")} <span class="count">${gateways.length}</span></h2>
      <${Table} t=${t} kind="gateways" heads=${heads} rows=${rows} />
    </section>
  `;
}

function Footer({ t, snapshot }) {
  const { version, uptime_seconds, workers, strategy, records } = snapshot;
  return html`<footer class="muted">${
    t("footer", {
      version,
      uptime: duration(uptime_seconds),
      workers: workers === 1 ? t("worker_one") : t("worker_many", { count: workers }),
      strategy,
      written: records.enabled ? whole(records.written) : t("records_off"),
      dropped: whole(records.dropped),
    })
  }</footer>`;
}
