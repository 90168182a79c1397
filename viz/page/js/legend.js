/* legend: what colours, lines and texts mean. They mean the same whatever is open, so it is drawn once. */

const legend = document.getElementById("legend-body");

function drawLegend() {
  const { fill, scale, notes, strokes, kind, width, widths, texts } = DATA.legend;
  const step = 46;
  const wide = scale.length * step;
  const colors = svg("svg", { class: "scale", viewBox: `0 0 ${wide} 18`, width: wide, "aria-hidden": "true" },
    ...scale.flatMap(([text, color, ink], k) => [
      svg("rect", { x: k * step, width: step, height: 18, fill: color }),
      svg("text", { x: (k + 0.5) * step, y: 13, fill: ink }, text),
    ]));
  const line = (text) => html("p", {}, text);
  legend.replaceChildren(
    ...(fill ? [line(fill), colors] : []),
    ...notes.map(line),
    ...strokes.map(([name, style, meaning]) => html("p", {}, sample(name, style, 3), meaning)),
    ...(width ? [line(width)] : []),
    html("p", {}, ...widths.map(([wide, text]) => html("span", { class: "width" }, sample(kind, "solid", wide), text))),
    ...texts.map(line),
  );
}

/** A short line as edges are drawn. */
function sample(name, style, width) {
  return svg("svg", { class: "sample", width: 34, height: 12, "aria-hidden": "true" },
    svg("line", { class: `line ${name} ${style}`, x1: 0, x2: 34, y1: 6, y2: 6, "stroke-width": width }));
}
