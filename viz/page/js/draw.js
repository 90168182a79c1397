/* draw: the view as SVG, once it is laid out. Names from outside are set as text, never as markup.

   From back to front: frames, edges, labels, boxes. Every box and the header of every frame is an item of a tree for a
   screen reader; the tab key reaches exactly one of them, and the arrow keys lead on from there. */

const SVG = "http://www.w3.org/2000/svg";
const world = document.getElementById("world");
const elements = new Map();  // by the key of a thing or an edge

/** A new element with attributes; strings among `children` become text. */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function draw(view) {
  elements.clear();
  bands.groups = [];
  const layers = ["frames", "edges", "labels", "boxes"].map((name) => svg("g", { class: name, role: "presentation" }));
  const [frames, edges, labels, boxes] = layers;
  const depths = [];  // a layer for each depth, so that inner frames lie on outer ones
  for (const frame of view.frames.slice(1)) {
    depths[frame.depth] ??= frames.appendChild(svg("g", { role: "presentation" }));
    addToBand(depths[frame.depth], drawFrame(frame, view), frame.y, frame.y + frame.height);
  }
  const bySize = [...view.edges].sort((a, b) => b.width - a.width);  // small ones on top
  for (const edge of bySize) {
    const [top, bottom] = [edge.source.y, edge.target.y].sort((a, b) => a - b);
    addToBand(edges, drawEdge(edge), top, bottom);
    if (edge.place) addToBand(labels, drawLabel(edge), edge.place.y, edge.place.y);
  }
  for (const box of view.boxes) addToBand(boxes, drawBox(box), box.y, box.y + box.height);
  world.replaceChildren(...layers);
}

function item(thing, kind, attributes, ...children) {
  const element = svg("g", {
    class: kind, "data-key": thing.key, role: "treeitem", tabindex: -1, "aria-level": thing.depth,
    "aria-label": thing.spoken, ...attributes,
  }, ...children);
  elements.set(thing.key, element);
  return element;
}

function drawFrame(frame, view) {
  const { x, y, width, height, header } = frame;
  const left = x + frame.box.left + header.at;
  const line = y + 17.5;
  const name = frameTitle(frame);
  return svg("g", { class: "frame", role: "presentation" },
    svg("rect", { class: `ground depth${frame.depth % 2}`, x, y, width, height, rx: 8 }),
    item(frame, "header", { "aria-expanded": "true" },
      svg("rect", { class: "hit", x: left - 4, y: y + 3, width: header.right - header.at, height: HEADER - 6, rx: 5 }),
      svg("rect", { class: "swatch", x: left, y: y + 9, width: 8, height: 8, rx: 2, fill: frame.fill }),
      svg("text", { class: "name", x: left + 13, y: line }, name),
      svg("text", { class: "small", x: left + 19 + textWidth(name, "name"), y: line }, view.blames.get(frame)),
    ));
}

function drawBox(box) {
  const { width, height } = box;
  const kind = box.isCall ? "call" : box.op === "leaf" ? "leaf" : box.op === "other" ? "other" : "op";
  const parts = [];
  const body = { class: "body", fill: box.fill, width, height, rx: box.round ? height / 2 : kind === "leaf" ? 0 : 6 };
  if (box.isCall || box.many) parts.push(svg("rect", { ...body, class: "behind", x: 4, y: 4 }));
  parts.push(svg("rect", body));
  if (box.broken) parts.push(svg("rect", { class: "second", x: 3, y: 3, width: width - 6, height: height - 6 }));
  const name = `${box.isCall ? "▸ " : ""}${box.head}`;
  const middle = round(width / 2);
  const style = box.round ? { class: "symbol", y: 20 } : { class: "name", y: 17 };
  parts.push(svg("text", { ...style, x: middle, fill: box.ink }, name));
  if (box.line) parts.push(svg("text", { class: "small", x: middle, y: 32, fill: box.ink }, box.line));
  const expanded = box.isCall ? { "aria-expanded": "false" } : {};
  const classes = `box ${kind}${box.trouble ? " trouble" : ""}`;
  return item(box, classes, { transform: `translate(${round(box.x)} ${round(box.y)})`, ...expanded }, ...parts);
}

function drawEdge(edge) {
  const element = svg("g", { class: `edge ${edge.kind}`, "data-key": edge.key, role: "presentation" },
    svg("path", { class: `line ${edge.kind} ${edge.style}`, d: edge.path, "stroke-width": edge.width }),
    svg("path", { class: `head ${edge.kind}`, d: edge.head }),
    svg("path", { class: "hit", d: edge.path }));
  elements.set(edge.key, element);
  return element;
}

function drawLabel(edge) {
  const { x, y, text, crowded } = edge.place;
  const kind = `label ${edge.kind}${crowded ? " crowded" : ""}`;
  const element = svg("text", { class: kind, x, y, "data-edge": edge.key }, text);
  elements.set(`label ${edge.key}`, element);
  return element;
}
