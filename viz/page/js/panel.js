/* panel: everything known of what is pointed at, as text.

   What was clicked or has the keyboard's focus stays in the panel; what the pointer is over is shown meanwhile. */

const panel = document.getElementById("panel");

/** A new HTML element; strings among `children` become text. */
function html(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function showInPanel(thing, view) {
  const known = rows(thing);
  const incoming = view.edges.filter((edge) => edge.target === thing);
  const outgoing = view.edges.filter((edge) => edge.source === thing);
  const inside = view.fromInside.get(thing);
  panel.replaceChildren(
    html("h2", {}, thing.label),
    ...(pathOf(thing) === thing.label ? [] : [html("p", { class: "path" }, pathOf(thing))]),
    ...(thing.formula ? [html("p", { class: "formula" }, thing.formula)] : []),
    html("dl", {}, ...known.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)])),
    ...contributions("Blame comes in", incoming, "source", inside),
    ...contributions("Blame goes on", outgoing, "target"),
  );
}

function rows(thing) {
  const kind = thing.op === "leaf" ? "leaf: made by the user" : thing.op;
  const known = [thing.isCall ? ["what", `one call of a module, ${thing.holds} values`] : ["op", kind]];
  if (thing.shape) known.push([thing.isCall ? "result" : "shape", `${shapeText(thing.shape)} ${thing.dtype}`]);
  if (!thing.isCall && thing.op !== "module") {
    known.push(["value", thing.value ? summary(thing.value) : "not kept; engine.keep_values keeps it"]);
  }
  if (thing.gradient) known.push(["gradient", summary(thing.gradient)]);
  known.push([thing.gradient ? "" : "gradient", `norm ${number(thing.norm)}, rms ${number(thing.rms)}`]);
  if (thing.hooked) known.push(["hook", "sees this gradient, and may change what goes on"]);
  if (thing.parameters) {
    const many = thing.parameters === 1 ? "1 number" : `${thing.parameters.toLocaleString("en")} numbers`;
    known.push(["leaves", `${many}, ${exactPercent(thing.blame)} of the blame`]);
  }
  return known;
}

/** The numbers of a small array, a summary of a large one. */
function summary(numbers) {
  if (numbers.each) return listed(numbers.each);
  const { mean, std, least, greatest } = numbers;
  return `mean ${number(mean)} ± ${number(std)}, from ${number(least)} to ${number(greatest)}`;
}

function listed(each) {
  return each.length === 1 ? number(each[0]) : `[${each.map((one) => number(one)).join(", ")}]`;
}

function shapeText(shape) {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

function exactPercent(share) {
  return share === null || share === undefined ? "none" : `${(share * 100).toFixed(1)} %`.replace("-", "−");
}

/** A list of contributions, the largest first, with the rule that made each. */
function contributions(title, edges, end, inside) {
  if (edges.length === 0 && inside === undefined) return [];
  const sorted = [...edges].sort((a, b) => Math.abs(b.share ?? 0) - Math.abs(a.share ?? 0));
  const rowsOf = sorted.map((edge) => html("li", {},
    html("button", { type: "button", "data-go": edge[end].key }, edge[end].label),
    bar(edge.share),
    html("span", { class: "share" }, exactPercent(edge.share)),
    html("span", { class: "rule" }, ruleText(edge))));
  if (inside !== undefined) {
    const share = html("span", { class: "share" }, exactPercent(inside));
    rowsOf.push(html("li", {}, html("span", {}, "from inside"), bar(inside), share));
  }
  const note = end === "source" ? "shares in this gradient" : "shares in the gradients below";
  return [html("h3", {}, `${title} `, html("small", {}, note)), html("ul", {}, ...rowsOf)];
}

function ruleText({ steps, norm }) {
  if (steps.length > 3) return `norm ${number(norm)}, ${steps.length} contributions`;
  return steps.map(sizeAndRule).join("; ");
}

function sizeAndRule({ norm, rule }) {
  return rule ? `norm ${number(norm)}, by ${rule}` : `norm ${number(norm)}`;
}

/** A bar from the middle: to the right where it adds, to the left where it cancels. */
function bar(share) {
  const length = Math.min(1, Math.abs(share ?? 0)) * 30;
  const sign = share < 0 ? { class: "cancels", x: 30 - length } : { class: "adds", x: 30 };
  return svg("svg", { class: "bar", width: 60, height: 8, "aria-hidden": "true" },
    svg("rect", { ...sign, width: length, height: 8, rx: 1 }),
    svg("line", { x1: 30, x2: 30, y1: 0, y2: 8 }));
}

/** What one edge carries. */
function showEdgeInPanel(edge) {
  panel.replaceChildren(
    html("h2", {}, `${edge.source.label} → ${edge.target.label}`),
    html("p", { class: "path" }, `${pathOf(edge.source)} → ${pathOf(edge.target)}`),
    html("dl", {},
      html("dt", {}, "size"), html("dd", {}, number(edge.norm)),
      html("dt", {}, "share"), html("dd", {}, `${exactPercent(edge.share)} of the gradient of ${edge.target.label}`)),
    html("h3", {}, edge.steps.length === 1 ? "Contribution" : `${edge.steps.length} contributions`),
    html("ul", { class: "steps" }, ...edge.steps.slice(0, 40).map((step) => html("li", {},
      html("span", {}, `${pathOf(step.source)} → ${pathOf(step.target)}`),
      html("span", { class: "rule" }, sizeAndRule(step))))),
    ...(edge.steps.length > 40 ? [html("p", {}, `and ${edge.steps.length - 40} more`)] : []),
  );
}
