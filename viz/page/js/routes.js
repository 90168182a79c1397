/* routes: the curve of each edge, and a free place for its label.

   Between two rows an edge bends, everywhere else it runs straight down; so it meets no box on its way. A label stands
   beside its edge as near to the target as there is room, over no box, no other edge and no other label. Where there is
   no such place, it is shown only while the pointer is on the edge or the sweep is at it. */

const MOST_BENDS = 40;  // looked at for the place of a label
const PIECES = 12;  // of a bend

/** Set `path`, `head` and `place`, that of the label, of every edge. */
function route(view) {
  const taken = new Grid();
  for (const box of view.boxes) taken.add(box.x, box.y, box.width, box.height);
  for (const { header, ...frame } of view.frames) {
    if (header) taken.add(frame.x + frame.box.left + header.at, frame.y + 4, header.right - header.at, HEADER - 8);
  }
  const routes = new Map(view.edges.map((edge) => [edge, wholeRoute(edge)]));
  for (const [edge, points] of routes) addLine(taken, edge, points);
  for (const [edge, points] of routes) {
    const [x, y] = points.at(-1);
    const size = 3.5 + edge.width * 0.75;
    edge.head = `M${round(x - size)} ${round(y - 1.6 * size)}h${round(2 * size)}L${round(x)} ${round(y)}z`;
    while (points.length > 1 && points.at(-1)[1] > y - 1.2 * size) points.pop();
    points.push([x, y - 1.2 * size]);
    edge.path = curve(points);
    const text = view.labels.get(edge);
    edge.place = text ? labelPlace(edge, text, points, taken) : null;
  }
}

/** From the lower side of the source to the upper side of the target, through all frames between. */
function wholeRoute({ source, target, links }) {
  const points = links.flatMap((link) => link.points);
  const [first, last] = [points[0], points.at(-1)];
  return [[first[0], source.y + source.height], ...points, [last[0], target.y]];
}

/** An SVG path through points: straight where they lie above each other, else a bend that begins and ends downwards. */
function curve(points) {
  let path = `M${round(points[0][0])} ${round(points[0][1])}`;
  for (let k = 1; k < points.length; k++) {
    const [[x0, y0], [x1, y1]] = [points[k - 1], points[k]];
    if (x0 === x1 && y0 === y1) continue;
    const middle = round((y0 + y1) / 2);
    const bend = `C${round(x0)} ${middle} ${round(x1)} ${middle} ${round(x1)} ${round(y1)}`;
    path += Math.abs(x0 - x1) < 0.05 ? `V${round(y1)}` : bend;
  }
  return path;
}

function round(value) {
  return Math.round(value * 10) / 10;
}

/** The point of a bend at a part of its height, near enough. */
function onBend([[x0, y0], [x1, y1]], part) {
  return [x0 + (x1 - x0) * part * part * (3 - 2 * part), y0 + (y1 - y0) * part];
}

/** The room that the line of an edge takes. */
function addLine(taken, edge, points) {
  const half = edge.width / 2 + 1;
  points.slice(1).forEach((point, k) => {
    const bend = [points[k], point];
    const pieces = bend[0][0] === bend[1][0] ? 1 : PIECES;
    for (let piece = 0; piece < pieces; piece++) {
      const [[x0, y0], [x1, y1]] = [onBend(bend, piece / pieces), onBend(bend, (piece + 1) / pieces)];
      taken.add(Math.min(x0, x1) - half, Math.min(y0, y1), Math.abs(x1 - x0) + 2 * half, Math.abs(y1 - y0), edge);
    }
  });
}

function labelPlace(edge, text, points, taken) {
  const width = textWidth(text, "small") + 5;  // it is bold
  const places = [];
  const bends = points.slice(1).map((point, k) => [points[k], point]);
  if (!edge.takesLane) bends.reverse();  // a lane is shared, so there the label stands where the edge leaves its source
  for (const bend of bends.slice(0, MOST_BENDS)) {
    if (bend[1][1] - bend[0][1] < 8) continue;
    for (const part of [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9]) {
      const [x, y] = onBend(bend, part);
      for (const beside of [edge.width / 2 + 3, edge.width / 2 + 10]) {
        places.push([x + beside, y], [x - beside - width, y]);
      }
    }
  }
  const isFree = ([x, y]) => taken.isFree(x, y - 7, width, 14, edge);
  const free = places.find(isFree);
  const [x, y] = free ?? places[0] ?? points.at(-1);
  if (free) taken.add(x, y - 7, width + 2, 14);
  return { text, x: round(x), y: round(y + 4), crowded: !free };
}

/** Rectangles by the squares of a grid they touch, some with an owner, for whom they are free. */
class Grid {
  squares = new Map();

  add(x, y, width, height, owner) {
    for (const key of this.keys(x, y, width, height)) {
      if (!this.squares.has(key)) this.squares.set(key, []);
      this.squares.get(key).push([x, y, width, height, owner]);
    }
  }

  isFree(x, y, width, height, owner) {
    for (const key of this.keys(x, y, width, height)) {
      for (const [ox, oy, ow, oh, other] of this.squares.get(key) ?? []) {
        if (other && other === owner) continue;
        if (x < ox + ow && ox < x + width && y < oy + oh && oy < y + height) return false;
      }
    }
    return true;
  }

  * keys(x, y, width, height) {
    for (let column = Math.floor(x / 100); column <= Math.floor((x + width) / 100); column++) {
      for (let row = Math.floor(y / 100); row <= Math.floor((y + height) / 100); row++) yield `${column},${row}`;
    }
  }
}
