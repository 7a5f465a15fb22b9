// The configuration in force, where it came from, and what the last reload said.

import { moment } from "./format.js";
import { html } from "./html.js";
import { useEffect, useState } from "./vendor/libraries.js";

export function ConfigView({ t, api, live, act }) {
  const [view, setView] = useState(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  // A reload or a drain shows up in the events: the page follows them.
  const changed = live.events.findLast(({ kind }) => /reload|drain/.test(kind));
  const load = () => api.get("config").then(setView, (error) => setProblem(error.message));
  useEffect(() => {
    load();
  }, [changed?.id, changed?.count]);
  const reload = async () => {
    setBusy(true);
    setProblem("");
    try {
      if (await act("reload") !== null) await load();
    } catch (error) {
      setProblem(error.message);
    }
    setBusy(false);
  };
  if (view === null) {
    return html`<p class=${problem === "" ? "muted" : "problem"} role="status">${
      problem || t("loading")
    }</p>`;
  }
  const { last_reload: last } = view;
  const overrides = Object.entries(view.overrides);
  return html`
    <div class="head">
      <h1>${t("config")}</h1>
      <button type="button" onClick=${reload} disabled=${busy}>${t(
        busy ? "reloading" : "reload",
      )}</button>
    </div>
    <p class="problem" role="alert">${problem}</p>
    <dl class="facts">
      <div><dt>${t("file")}</dt><dd><code>${view.file}</code></dd></div>
      <div>
        <dt>${t("last_reload")}</dt>
        <dd><span role="status" class=${last?.ok === false ? "bad" : ""}>${reloadText(
          t,
          last,
        )}</span></dd>
      </div>
      ${view.drained.length > 0 &&
        html`
          <div>
            <dt>${t("drained_list")}</dt>
            <dd>${view.drained.join(", ")}</dd>
          </div>
        `}
      ${overrides.length > 0 && html`
        <div>
          <dt>${t("overrides")}</dt>
          <dd>${overrides.map(([name, value]) => `${name} = ${value}`).join(", ")}</dd>
        </div>
      `}
    </dl>
    ${last !== null && last.problems.length > 0 && html`<ul class="problems">
      ${last.problems.map((one) => html`<li><code>${one}</code></li>`)}
    </ul>`}
    <h2 id="effective">${t("effective")}</h2>
    <pre class="code" tabindex="0" role="region" aria-labelledby="effective">${JSON.stringify(
      view.options,
      null,
      2,
    )}</pre>
  `;
}

function reloadText(t, last) {
  if (last === null) return t("never_reloaded");
  return t(last.ok ? "reload_ok" : "reload_failed", { time: moment(last.time) });
}
