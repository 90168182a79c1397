/* layout: a place for every visible thing, frame by frame from the inside outwards.

   A frame is laid out by itself, in rows (layers.js) and columns (places.js), and then stands in the frame around it
   like a box, with ports where edges cross its border. The `box` of a thing has its size: left and right of its point
   of reference, and height. At the end all places become absolute. */

const GAP = 30;  // between rows, at least
const WIDEST_GAP = 84;
const PAD = 14;
const HEADER = 26;

/** Lay out what is visible: afterwards each thing has `x`, `y`, `width`, `height`, and each link `points`. */
function layOut(view) {
  for (const box of view.boxes) {
    Object.assign(box, measure(box, view), { ports: null });
    box.box = { left: box.width / 2, right: box.width / 2, height: box.height };
  }
  const ofFrame = linksOf(view.edges);
  markSpine(view.frames, ofFrame, view.edges);
  for (const frame of [...view.frames].reverse()) layOutFrame(frame, ofFrame.get(frame) ?? [], view);
  const { left, right, height } = ROOT.box;
  Object.assign(ROOT, { x: 0, y: 0, width: left + right, height, origin: [left, 0] });
  for (const frame of view.frames) for (const place of frame.places) place(...frame.origin);
}

/** Places of a frame's children, from the frame's spine and top; they become absolute when the frame has its own. */
function layOutFrame(frame, links, view) {
  const { rows, lanes } = layers(frame.children, links);
  placeCells(rows);
  const cells = rows.flat();
  let right = Math.max(40, ...cells.map((cell) => cell.x + cell.right));
  const laneOf = new Map();  // edges into the same thing share a lane
  for (const { to, edge } of lanes) {
    const key = to ?? edge;
    if (!laneOf.has(key)) laneOf.set(key, right + 12 + 9 * laneOf.size);
    edge.takesLane = true;
  }
  right = Math.max(right, ...[...laneOf.values()].map((x) => x + 6));
  const left = Math.max(40, ...cells.map((cell) => cell.left - cell.x));
  const ports = new Map();
  for (const link of links) {
    if (!link.from) ports.set(link.edge, link.cells[0].x);
    if (!link.to) ports.set(link.edge, link.cells.at(-1).x);
  }
  const entering = rows[0].map((cell) => cell.x);
  const header = frame === ROOT ? null : headerPlace(headerWidth(frame, view), -left, right, entering);
  const heights = rowHeights(rows, frame === ROOT ? 0 : HEADER, view);
  const end = heights.at(-1).bottom + (frame === ROOT ? 0 : 6);
  frame.ports = ports;
  frame.header = header;
  frame.box = { left: left + PAD, right: Math.max(right, header?.right ?? 0) + PAD, height: end };
  frame.places = placesIn(rows, links, lanes, laneOf, heights);
}

/** Top and bottom of each row; edges that run far sideways, and labels in rows of their own, need a higher gap. */
function rowHeights(rows, start, view) {
  let y = start;
  return rows.map((row, index) => {
    const sideways = Math.max(0, ...row.flatMap((cell) => cell.up.map((joint) => Math.abs(run(joint)))));
    const height = Math.max(0, ...row.map((cell) => cell.thing?.box.height ?? 0));
    const atBorder = index === 1 || index === rows.length - 1;  // between ports and boxes
    const crowd = Math.max(0, ...row.map((cell) => labelRows(cell, view)));
    const gap = index === 0 ? 0 : Math.min(WIDEST_GAP, (atBorder ? PAD : GAP) + 0.16 * sideways + 16 * crowd);
    const top = y + gap;
    y = top + height;
    return { top, bottom: y, gap };
  });
}

/** How many labels of edges into a cell have no room beside the others, and need a row of their own. */
function labelRows(cell, view) {
  const texts = cell.up.map(({ link }) => view.labels.get(link.edge)).filter(Boolean);
  const wide = texts.reduce((sum, text) => sum + textWidth(text, "small") + 12, 0);
  return wide > cell.left + cell.right ? texts.length - 1 : 0;
}

function run({ above, below, aboveAt, belowAt }) {
  return below.x + belowAt - above.x - aboveAt;
}

function frameTitle(frame) {
  return `▾ ${frame.head}`;
}

function headerWidth(frame, view) {
  return textWidth(frameTitle(frame), "name") + textWidth(view.blames.get(frame), "small") + 28;
}

/** The name of a frame stands in the first gap between the edges that enter at its top. */
function headerPlace(width, left, right, entering) {
  const borders = [left - PAD, ...entering.sort((a, b) => a - b), Infinity];
  for (let k = 0; k + 1 < borders.length; k++) {
    const from = borders[k] + (k === 0 ? 8 : 10);
    if (from + width < borders[k + 1] - 8) return { at: from, right: from + width };
  }
  return { at: right, right: right + width };
}

/** Functions that set the absolute places of a frame's children, once its own is known. */
function placesIn(rows, links, lanes, laneOf, heights) {
  const things = rows.flatMap((row, index) => row.filter((cell) => cell.thing).map((cell) => (x, y) => {
    const { thing } = cell;
    const { top, bottom } = heights[index];
    thing.x = x + cell.x - cell.left;
    thing.y = y + (top + bottom - thing.box.height) / 2;
    thing.width = cell.left + cell.right;
    thing.height = thing.box.height;
    thing.origin = [x + cell.x, thing.y];
  }));
  const inLane = new Set(lanes);
  const routes = links.map((link) => (x, y) => {
    const points = inLane.has(link) ? laneRoute(link, laneOf, heights) : rowRoute(link, heights);
    link.points = points.map(([px, py]) => [x + px, y + py]);
  });
  return [...things, ...routes];
}

/** Down through the cells, straight through each row, bending only between rows. */
function rowRoute(link, heights) {
  const points = [];
  link.cells.forEach((cell, k) => {
    const { top, bottom } = heights[cell.row];
    const joint = cell.down.find((one) => one.link === link);
    const arrival = cell.up.find((one) => one.link === link);
    if (k > 0) points.push([cell.x + arrival.belowAt, top]);
    if (k < link.cells.length - 1) points.push([cell.x + joint.aboveAt, bottom]);
  });
  return points;
}

/** Into the gap below, along the lane, and out of it in the gap above the target. */
function laneRoute({ to, edge, from, cells: [first, last] }, laneOf, heights) {
  const lane = laneOf.get(to ?? edge);
  const start = first.x + (from ? portOf(from, edge) : 0);
  const end = last.x + (to ? portOf(to, edge) : 0);
  const { bottom } = heights[first.row];
  const { top, gap } = heights[last.row];
  const below = heights[first.row + 1] ? heights[first.row + 1].top : bottom + GAP;
  return [[start, bottom], [lane, below], [lane, top - gap], [end, top]];
}
