/* panel: all that is known of the thing or the edge under the pointer, as text.

   What was clicked, has the keyboard's focus or is the step of the sweep is shown while the pointer is elsewhere. */

const MOST_ROWS = 40;  // contributions of one edge
const WRITTEN_OUT = 3;  // contributions whose rules stand in one row
const panel = document.getElementById("panel");

/** A new HTML element; strings among `children` become text. */
function html(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function showInPanel(thing, view) {
  const incoming = view.edges.filter((edge) => edge.target === thing);
  const outgoing = view.edges.filter((edge) => edge.source === thing);
  panel.replaceChildren(
    html("h2", {}, thing.label),
    ...(thing.path === thing.label ? [] : [html("p", { class: "path" }, thing.path)]),
    ...(thing.formula ? [html("p", { class: "formula" }, thing.formula)] : []),
    html("dl", {}, ...thing.facts.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)])),
    ...contributions("Blame comes in", incoming, "source", view.inside.get(thing)),
    ...contributions("Blame goes on", outgoing, "target"),
  );
}

/** A list of edges, the largest share first, each with its rules; `inside` is what a thing receives from itself. */
function contributions(title, edges, end, inside) {
  if (edges.length === 0 && inside === undefined) return [];
  const sorted = [...edges].sort((a, b) => Math.abs(b.share ?? 0) - Math.abs(a.share ?? 0));
  const rowsOf = sorted.map((edge) => html("li", {},
    html("button", { type: "button", "data-go": edge[end].key }, edge[end].label),
    bar(edge),
    html("span", { class: "share" }, edge.exact),
    html("span", { class: "rule" }, rules(edge))));
  if (inside !== undefined) {
    rowsOf.push(html("li", {}, html("span", {}, "from inside"), bar(inside),
      html("span", { class: "share" }, inside.exact)));
  }
  const note = end === "source" ? "shares in this gradient" : "shares in the gradients below";
  return [html("h3", {}, `${title} `, html("small", {}, note)), html("ul", {}, ...rowsOf)];
}

function rules({ steps, size, count }) {
  return steps.length > WRITTEN_OUT ? `${size}, ${count}` : steps.map((step) => step.size).join("; ");
}

/** A bar from the middle: to the right where it adds, to the left where it cancels. */
function bar({ share, kind }) {
  const length = Math.min(1, Math.abs(share ?? 0)) * 30;
  return svg("svg", { class: "bar", width: 60, height: 8, "aria-hidden": "true" },
    svg("rect", { class: kind, x: share < 0 ? 30 - length : 30, width: length, height: 8, rx: 1 }),
    svg("line", { x1: 30, x2: 30, y1: 0, y2: 8 }));
}

function showEdgeInPanel({ source, target, size, exact, count, steps }) {
  panel.replaceChildren(
    html("h2", {}, `${source.label} → ${target.label}`),
    html("p", { class: "path" }, `${source.path} → ${target.path}`),
    html("dl", {},
      html("dt", {}, "contribution"), html("dd", {}, size),
      html("dt", {}, "share"), html("dd", {}, `${exact} of the gradient of ${target.label}`)),
    html("h3", {}, count),
    html("ul", { class: "steps" }, ...steps.slice(0, MOST_ROWS).map((step) => html("li", {},
      html("span", {}, `${step.source.path} → ${step.target.path}`),
      html("span", { class: "rule" }, step.size)))),
    ...(steps.length > MOST_ROWS ? [html("p", {}, `and ${counted(steps.length - MOST_ROWS)} more`)] : []),
  );
}

/** A count as Python writes it, 12,345. */
function counted(count) {
  return count.toLocaleString("en");
}
