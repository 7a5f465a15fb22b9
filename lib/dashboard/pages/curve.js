// A curve over time by uPlot, in the colours of the page. What it shows is said in words to those who
// do not see it.

import { clock } from "./format.js";
import { html } from "./html.js";
import { uPlot, useEffect, useRef } from "./vendor/libraries.js";

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(size, values) {
  return {
    stroke: colour("--muted"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    size,
    gap: 4,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    ...(values === undefined ? {} : { values }),
  };
}

const times = (_, seconds) => seconds.map((one) => clock(one * 1000));

function options({ width, height, axes }) {
  return {
    width,
    height,
    cursor: { show: false },
    legend: { show: false },
    padding: axes ? [8, 4, 0, 0] : [2, 0, 1, 0],
    scales: { y: { range: (_, __, most) => [0, Math.max(most ?? 0, 1) * 1.1] } },
    axes: axes ? [{ ...axis(20, times), space: 90 }, { ...axis(38), space: 28 }] : [
      { show: false },
      { show: false },
    ],
    series: [{}, {
      stroke: colour("--curve"),
      fill: colour("--curve-fill"),
      width: 1.25,
      points: { show: false },
      spanGaps: false,
    }],
  };
}

/** `times` in seconds, `values` beside them; `theme` makes it draw anew in other colours. */
export function Curve({ times, values, height, label, theme, axes = false }) {
  const place = useRef(null);
  const plot = useRef(null);
  const latest = useRef([times, values]);
  latest.current = [times, values];

  useEffect(() => {
    const element = place.current;
    const draw = () => ({ width: Math.max(40, element.clientWidth), height, axes });
    plot.current = new uPlot(options(draw()), latest.current, element);
    const observer = new ResizeObserver(() => plot.current.setSize(draw()));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [theme, height, axes]);

  useEffect(() => {
    plot.current?.setData([times, values]);
  }, [times, values]);

  return html`<div class="curve" ref=${place} role="img" aria-label=${label}></div>`;
}
