/* layers: the things in one frame, in rows from the loss downwards, and their order in each row.

   A thing is one row below the lowest of its sources. An edge that passes rows on its way holds a
   place in each of them (a dummy cell), so that it runs around boxes and never through them; an edge that passes very
   many rows takes a lane at the side instead. Edges that enter or leave the frame do so through ports, which are cells
   in rows of their own at the top and at the bottom.

   Every cell has a point of reference, from which `left` and `right` are measured: the middle of a box, the spine of a
   frame. The ends of edges at a cell are measured from there too. */

const LONG = 12;  // rows that an edge may pass before it takes a lane
const PASSES = 8;
const ROOM = 7;  // half the width kept free for an edge
const PORT = 16;  // the same where it enters or leaves a frame, with a label perhaps

/** Rows of cells, joined from one row to the next, and the links that take a lane. */
function layers(children, links) {
  const rankOf = ranks(children, links);
  const last = Math.max(0, ...rankOf.values()) + 2;
  const rows = Array.from({ length: last + 1 }, () => []);
  const cell = (row, fields) => {
    const made = { row, left: ROOM, right: ROOM, up: [], down: [], onSpine: false, ...fields };
    rows[row].push(made);
    return made;
  };
  const cellOf = new Map();
  for (const child of children) {
    const { left, right } = child.box;
    cellOf.set(child, cell(rankOf.get(child) + 1, { thing: child, left, right, onSpine: child.onSpine }));
  }
  const lanes = [];
  for (const link of links) {
    const onSpine = link.edge.straight;
    const from = cellOf.get(link.from) ?? cell(0, { onSpine, left: PORT, right: PORT });
    const to = cellOf.get(link.to) ?? cell(last, { onSpine, left: PORT, right: PORT });
    const passed = to.row - from.row;
    if (passed < 1 || (passed > LONG && !onSpine)) {
      link.cells = [from, to];
      lanes.push(link);
      continue;
    }
    const between = Array.from({ length: passed - 1 }, (_, k) => cell(from.row + k + 1, { onSpine }));
    link.cells = [from, ...between, to];
    for (let k = 0; k < passed; k++) {
      const joint = { link, above: link.cells[k], below: link.cells[k + 1], aboveAt: 0, belowAt: 0 };
      joint.above.down.push(joint);
      joint.below.up.push(joint);
    }
  }
  arrange(rows);
  return { rows, lanes };
}

/** The rank of each thing: the longest way to it from the loss. Children come in the order of the sweep.

    A thing that only edges leading back reach, such as those from "other", is below the thing before it. Things on the
    spine share a column, so each is below the one before it there. */
function ranks(children, links) {
  const above = new Map(children.map((child) => [child, []]));
  const reachedBack = new Set();
  for (const { from, to } of links) {
    if (from && to && from.order < to.order) above.get(to).push(from);
    else if (from && to) reachedBack.add(to);
  }
  const rankOf = new Map();
  let [before, onSpine] = [null, null];
  for (const child of children) {
    const over = above.get(child);
    if (before && over.length === 0 && reachedBack.has(child)) over.push(before);
    if (onSpine && child.onSpine) over.push(onSpine);
    rankOf.set(child, Math.max(-1, ...over.map((other) => rankOf.get(other))) + 1);
    before = child;
    if (child.onSpine) onSpine = child;
  }
  return rankOf;
}

/** Order each row by the mean place of its neighbours, above and below in turn; the spine is leftmost. */
function arrange(rows) {
  const settle = (row, mean) => {
    for (const cell of row) cell.mean = cell.onSpine ? -1 : mean(cell);
    row.sort((a, b) => a.mean - b.mean);
    row.forEach((cell, place) => { cell.place = place; });
  };
  for (const row of rows) row.forEach((cell, place) => { cell.place = place; });
  for (let pass = 0; pass < PASSES; pass++) {
    const downwards = pass % 2 === 0;
    for (const row of downwards ? rows : [...rows].reverse()) settle(row, (cell) => meanPlace(cell, downwards));
  }
  for (const row of rows) row.forEach(spread);
}

/** The mean place of a cell's neighbours above (or below); its own place if it has none. */
function meanPlace(cell, above) {
  const joints = above ? cell.up : cell.down;
  if (joints.length === 0) return cell.place;
  const places = joints.map(({ link, above: upper, below: lower }) => {
    const other = above ? upper : lower;
    const port = other.thing ? portOf(other.thing, link.edge) : 0;
    return other.place + port / (other.left + other.right);
  });
  return places.reduce((sum, place) => sum + place, 0) / places.length;
}

/** Where an edge crosses the border of a frame, from the frame's spine; 0 for a box. */
function portOf(thing, edge) {
  return thing.ports?.get(edge) ?? 0;
}

/** Give each edge at a cell its own place to begin or to end. */
function spread(cell) {
  if (!cell.thing) return;
  share(cell, cell.down, "below", "aboveAt", 16);
  share(cell, cell.up, "above", "belowAt", 28);  // room for labels
}

function share(cell, joints, otherEnd, at, apart) {
  joints.sort((a, b) => a[otherEnd].place - b[otherEnd].place);
  const straight = joints.findIndex(({ link }) => link.edge.straight);
  const middle = straight < 0 ? (joints.length - 1) / 2 : straight;
  const step = cell.thing.round ? 0 : Math.min(apart, (cell.left + cell.right - 12) / Math.max(1, joints.length));
  joints.forEach((joint, k) => {
    joint[at] = cell.thing.ports ? portOf(cell.thing, joint.link.edge) : (k - middle) * step;
  });
}
