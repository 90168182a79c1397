/* model: what the page knows, and what of it is visible.

   Things are values (what an op made, or a leaf) and calls of modules, which hold values and other calls. A call is
   open or closed. A value is shown by itself if all calls around it are open, else by the outermost closed one: its
   box. All contributions from A into B are one edge. The data has the edges between any two things, and from each
   thing into itself, with all their texts (see viz/page/content.py); so opening a call only selects among them. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const VALUES = DATA.values.map((fields, at) => ({ ...fields, key: `v${at}`, order: at, isCall: false }));
const CALLS = DATA.calls.map((fields, at) => ({ ...fields, key: `c${at}`, order: Infinity, isCall: true }));
const ALL = [...VALUES, ...CALLS];
const THINGS = new Map(ALL.map((thing) => [thing.key, thing]));
const ROOT = { key: "root", isCall: true, depth: 0, children: [] };
const STEPS = DATA.steps.map((fields, index) => (
  { ...fields, index, source: VALUES[fields.source], target: VALUES[fields.target] }));
const EDGES = DATA.edges.map((fields) => {
  const [source, target] = [ALL[fields.source], ALL[fields.target]];
  const steps = fields.steps.map((at) => STEPS[at]);
  return { ...fields, key: `${source.key}>${target.key}`, source, target, steps, norm: fields.norm ?? Infinity };
});

for (const call of CALLS) plant(call);  // outer calls come before the calls in them
for (const value of VALUES) {
  plant(value);
  if (value.op !== "leaf") for (const call of callsAround(value)) call.order = Math.min(call.order, value.order);
}
for (const call of [ROOT, ...CALLS]) call.children.sort((a, b) => a.order - b.order);

/** Give a thing its place in the tree. */
function plant(thing) {
  thing.parent = thing.home === undefined ? ROOT : CALLS[thing.home];
  thing.depth = thing.parent.depth + 1;
  thing.parent.children.push(thing);
  if (thing.isCall) thing.children = [];
}

/** The calls around a thing, innermost first; without the root. */
function callsAround(thing) {
  const around = [];
  for (let call = thing.parent; call !== ROOT; call = call.parent) around.push(call);
  return around;
}

/** The box that stands for a value, or the value itself. */
function shownAs(thing, open) {
  let shown = thing;
  for (const call of callsAround(thing)) if (!open.has(call)) shown = call;
  return shown;
}

/** Boxes, frames and edges that are visible when these calls are open, with the form of each share. */
function visible(open) {
  const boxes = [];
  const frames = [];
  const walk = (call) => {
    frames.push(call);
    for (const child of call.children) {
      if (child.isCall && open.has(child)) walk(child);
      else boxes.push(child);
    }
  };
  walk(ROOT);
  const drawn = new Set(boxes);
  const all = EDGES.filter(({ source, target }) => drawn.has(source) && drawn.has(target));
  const edges = all.filter(({ source, target }) => source !== target);
  const incoming = new Map();
  for (const { target } of edges) incoming.set(target, (incoming.get(target) ?? 0) + 1);
  const inside = new Map(all.filter(({ source, target }) => source === target).map((edge) => [edge.target, edge]));
  const shown = new Map(VALUES.map((value) => [value, shownAs(value, open)]));
  return { open: new Set(open), boxes, frames, shown, edges, incoming, inside, ...shareTexts(boxes, frames, all) };
}

/** What is open at first: the deepest fold at which at most `most` boxes are visible; see `BlameFlow.fold`. */
function readableDepth(most) {
  let best = new Set();
  for (let depth = 1; depth <= Math.max(0, ...CALLS.map((call) => call.depth)); depth++) {
    const holdsCalls = (call) => call.children.some((child) => child.isCall);
    const open = new Set(CALLS.filter((call) => call.depth < depth && holdsCalls(call)));
    if (visible(open).boxes.length > most) break;
    best = open;
  }
  return best;
}
