// Curves of the last hour, day or week, of all, of a model or of an instance, with what happened meanwhile.

import { Curve } from "./curve.js";
import { moment, short } from "./format.js";
import { html } from "./html.js";
import { PartProblem, usePolled } from "./polled.js";
import { useState } from "./vendor/libraries.js";

const RANGES = ["1h", "24h", "7d"];
const CURVES = [
  "requests",
  "failed",
  "ttft_p50_ms",
  "ttft_p99_ms",
  "inter_token_p50_ms",
  "tokens",
  "in_flight",
  "waiting",
  "kv_usage",
];
const REFRESH_MS = 30_000;
const MARKS = 12;

export function LongHistory({ t, theme, api, session, subject }) {
  const [range, setRange] = useState("1h");
  const query = new URLSearchParams({ range, of: subject });
  const { value: found, problem } = usePolled(api, `history?${query}`, REFRESH_MS, session);
  const shown = found === null
    ? []
    : CURVES.filter((name) => found.curves[name].some((value) => value !== null));
  return html`<section class="long-history" aria-labelledby="long-history">
    <div class="head">
      <h2 id="long-history">${t("long_history")}</h2>
      <fieldset class="choice">
        <legend class="hidden">${t("since")}</legend>
        ${
    RANGES.map((one) =>
      html`<label key=${one}><input type="radio" name="range" checked=${one === range}
            onChange=${() => setRange(one)} /><span>${t(`since_${one}`)}</span></label>`
    )
  }
      </fieldset>
    </div>
    ${found === null && html`<${PartProblem} t=${t} problem=${problem} />`}
    ${found !== null && shown.length === 0 && html`<p class="muted">${t("no_history")}</p>`}
    <div class="curves">
      ${
    shown.map((name) =>
      html`
        <figure key=${name}>
          <figcaption>${t(`curve_${name}`)}</figcaption>
          <${Curve} times=${found.times} values=${found.curves[name]} height=${100} axes
            theme=${theme} label=${t("curve_label", {
              what: t(`curve_${name}`),
              most: short(found.curves[name].reduce((most, one) => Math.max(most, one ?? 0), 0)),
            })} />
        </figure>
      `
    )
  }
    </div>
    ${
    found !== null && found.marks.length > 0 && html`<ul class="timeline marks">
      ${
      found.marks.slice(-MARKS).reverse().map(({ time, text }, index) =>
        html`<li key=${index}>
        <span class="at">${moment(time * 1000)}</span><span>${markText(t, text)}</span></li>`
      )
    }
    </ul>`
  }
  </section>`;
}

function markText(t, text) {
  const [kind, ...subject] = text.split(" ");
  const key = `kind_${kind}`;
  const words = t(key) === key ? kind.replaceAll("_", " ") : t(key);
  return `${words}: ${subject.join(" ")}`;
}
