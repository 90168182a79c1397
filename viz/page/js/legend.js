/* legend: what colours, widths and signs mean, with units. */

const legend = document.getElementById("legend-body");

/** The colours are always the same; widths are those of what is visible. */
function drawLegend(view) {
  const step = 46;
  const wide = DATA.scale.length * step;
  const scale = svg("svg", { class: "scale", viewBox: `0 0 ${wide} 18`, width: wide, "aria-hidden": "true" },
    ...DATA.scale.flatMap(([text, fill, ink], k) => [
      svg("rect", { x: k * step, width: step, height: 18, fill }),
      svg("text", { x: (k + 0.5) * step, y: 13, fill: ink }, text),
    ]));
  const widths = [1, 0.5, 0.1].map((part) => {
    const line = svg("svg", { class: "adds sample", width: 34, height: 12, "aria-hidden": "true" },
      svg("line", { x1: 0, x2: 34, y1: 6, y2: 6, "stroke-width": widthOf(part, 1) }));
    return html("span", { class: "width" }, line, number(view.largest * part));
  });
  const dashed = svg("svg", { class: "cancels sample", width: 34, height: 12, "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 34, y1: 6, y2: 6, "stroke-width": 3 }));
  legend.replaceChildren(
    html("p", {}, "colour: root mean square of the gradient dL/dx, log scale"), scale,
    ...(view.largest > 0 ? [html("p", {}, "width: norm of the contribution"), html("p", {}, ...widths)] : []),
    html("p", {}, html("span", { class: "adds-text" }, "blue"), " adds to the gradient below"),
    html("p", {}, dashed, html("span", { class: "cancels-text" }, "dashed crimson"), " cancels"),
    html("p", {}, "percent: the contribution's share in the gradient it flows into"),
    html("p", {}, "▸ a module, opened by a click or Enter; round ends: a leaf"),
  );
}
