// A table as all pages have it: on a phone each row is a card, and each cell carries the name of its column,
// which is why the roles are written out.

import { html } from "./html.js";

/**
 * `heads` are [name, kind]; `rows` have a `key`, what heads them and the values of the other columns, each a
 * text or { text, more }, `more` a class; `data` are attributes of the row by which it is found.
 */
export function Table({ t, kind, heads, rows }) {
  return html`
    <table class=${kind} role="table">
      <thead role="rowgroup">
        <tr role="row">
          ${heads.map(([name, kind]) =>
            html`<th key=${name} scope="col" role="columnheader" class=${kind}>${t(name)}</th>`
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(({ key, data, head, cells }) =>
          html`
            <tr key=${key} role="row" ...${data}>
              <th scope="row" role="rowheader">${head}</th>
              ${cells.map((cell, index) => cellOf(t, heads[index + 1], cell))}
            </tr>
          `
        )}
      </tbody>
    </table>
  `;
}

function cellOf(t, [name, kind = ""], cell) {
  const { text, more = "" } = typeof cell === "object" && cell !== null && "text" in cell
    ? cell
    : { text: cell };
  return html`
    <td key=${name} role="cell" data-label=${t(name)} class=${[kind, `of-${name}`, more].filter(
      Boolean,
    )
      .join(" ")}>${text}</td>
  `;
}
