// The configuration in force, where it came from, and what the last reload said.

import { problemText } from "./api.js";
import { moment } from "./format.js";
import { html } from "./html.js";
import { PartProblem, usePolled } from "./polled.js";
import { useEffect, useState } from "./vendor/libraries.js";

const FILE_MS = 10_000;

export function ConfigView({ t, api, live, act }) {
  const [view, setView] = useState(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  // A reload or a drain shows up in the events: the page follows them.
  const changed = live.events.findLast(({ kind }) => /reload|drain/.test(kind));
  const load = () => api.get("config").then(setView, (error) => setProblem(problemText(t, error)));
  useEffect(() => {
    load();
  }, [changed?.id, changed?.count]);
  const reload = async () => {
    setBusy(true);
    setProblem("");
    try {
      if (await act("reload") !== null) await load();
    } catch (error) {
      setProblem(problemText(t, error));
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
    <${OnDisk} t=${t} api=${api} changed=${`${changed?.id} ${changed?.count}`} />
    <${Pasted} t=${t} act=${act} />
    <h2 id="effective">${t("effective")}</h2>
    <pre class="code" tabindex="0" role="region" aria-labelledby="effective">${JSON.stringify(
      view.options,
      null,
      2,
    )}</pre>
  `;
}

/** Whether the file says what is in force, and what else it says. */
function OnDisk({ t, api, changed }) {
  const asked = `config_file?${new URLSearchParams({ changed })}`;
  const { value, problem } = usePolled(api, asked, FILE_MS);
  if (value === null) return html`<${PartProblem} t=${t} problem=${problem} />`;
  if (value.file === null) return null;
  return html`
    <section aria-labelledby="on-disk" class="on-disk">
      <h2 id="on-disk">${t("file_and_memory")}</h2>
      <${Checked} t=${t} found=${value.file} same=${t("file_in_force")} />
    </section>
  `;
}

/** A text that somebody would like to try before it is saved. */
function Pasted({ t, act }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState("");
  const check = async (event) => {
    event.preventDefault();
    setProblem("");
    try {
      const checked = await act("check", text);
      if (checked !== null) setFound(checked);
    } catch (error) {
      setProblem(problemText(t, error));
    }
  };
  return html`
    <section aria-labelledby="pasted">
      <h2 id="pasted">${t("check_pasted")}</h2>
      <form onSubmit=${check}>
        <label><span class="hidden">${t("pasted_text")}</span>
            <textarea class="code" rows="6" spellcheck="false" placeholder=${t(
              "pasted_text",
            )} value=${text}
              onInput=${(event) => setText(event.target.value)}></textarea></label>
        <p class="row"><button type="submit" disabled=${text.trim() === ""}>${t(
          "check_do",
        )}</button></p>
      </form>
      <p class="problem" role="alert">${problem}</p>
      <div role="status" class="pasted-found">${found !== null &&
        html`<${Checked} t=${t} found=${found} same=${t("pasted_same")} />`}</div>
    </section>
  `;
}

function Checked({ t, found, same }) {
  const { ok, problems, differences, needs_restart: restart } = found;
  return html`
    <p class=${ok ? "" : "bad"}>${!ok
      ? t("text_refused")
      : differences.length === 0
      ? same
      : t("text_differs", { count: differences.length })}</p>
    ${problems.length > 0 && html`<ul class="problems">
      ${problems.map((one, index) => html`<li key=${index}><code>${one}</code></li>`)}
    </ul>`}
    ${restart.length > 0 && html`<p>${t("needs_restart", { options: restart.join(", ") })}</p>`}
    ${differences.length > 0 && html`<ul class="differences">
      ${
      differences.map(({ path, kind, before, after }) =>
        html`<li key=${path}><code>${path}</code>: ${
          before === after ? t("difference_secret") : t(`difference_${kind}`, { before, after })
        }</li>`
      )
    }
    </ul>`}
  `;
}

function reloadText(t, last) {
  if (last === null) return t("never_reloaded");
  const words = last.ok ? "reload_ok" : last.taken ? "reload_in_part" : "reload_failed";
  return t(words, { time: moment(last.time) });
}
