/* model: what the page knows, and what of it is visible.

   Things are values (what an op made, or a leaf) and calls of modules, which hold values and other calls. A call is
   open or closed. A value is shown by itself if all calls around it are open, else by the
   outermost closed one: its box.

   All contributions from box A into box B are one edge, with the share

       sum of <c, dL/dx> over these contributions   /   sum of |dL/dx|^2 over the doors of B

   where the doors of B are the values in it that receive something from outside. So the shares into a box add up to 1,
   with `fromInside` for what the doors receive from B itself.

   Read next: layout.js, which gives every visible thing a place. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const VALUES = DATA.values.map((fields, at) => ({ ...fields, key: `v${at}`, order: at, isCall: false }));
for (const { value, gradient } of VALUES) for (const numbers of [value, gradient]) if (numbers) readNumbers(numbers);
const CALLS = DATA.calls.map((fields, at) => ({ ...fields, key: `c${at}`, order: Infinity, isCall: true }));
const STEPS = DATA.edges.map((fields, index) => ({ ...fields, index }));
const ROOT = { key: "root", isCall: true, path: [], depth: 0, children: [] };
const THINGS = new Map([...VALUES, ...CALLS].map((thing) => [thing.key, thing]));

for (const call of CALLS) plant(call);  // outer calls come before the calls in them
for (const value of VALUES) {
  plant(value);
  if (value.op !== "leaf") for (const call of callsAround(value)) call.order = Math.min(call.order, value.order);
}
for (const step of STEPS) {
  step.source = VALUES[step.source];
  step.target = VALUES[step.target];
  step.norm ??= null;  // null is what is not finite
  if (step.each) step.each = step.each.map(Number);
}
for (const call of [ROOT, ...CALLS]) call.children.sort((a, b) => a.order - b.order);

/** Numbers that JSON does not know come as text: Infinity, -Infinity, NaN. */
function readNumbers(numbers) {
  for (const name of ["mean", "std", "least", "greatest"]) numbers[name] = Number(numbers[name]);
  if (numbers.each) numbers.each = numbers.each.map(Number);
}

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

/** What a person calls a thing, with its way through the modules. */
function pathOf(thing) {
  const names = thing.isCall || thing.op === "module" ? thing.path : [...thing.path, thing.label];
  return names.join(".");
}

/** The box that stands for a value, or the value itself. */
function shownAs(thing, open) {
  let shown = thing;
  for (const call of callsAround(thing)) if (!open.has(call)) shown = call;
  return shown;
}

/** Boxes, frames and edges that are visible when these calls are open. */
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
  const shown = new Map(VALUES.map((value) => [value, shownAs(value, open)]));
  return { open: new Set(open), boxes, frames, shown, ...mergedEdges(shown) };
}

function mergedEdges(shown) {
  const doors = new Set();
  for (const { source, target } of STEPS) if (shown.get(source) !== shown.get(target)) doors.add(target);
  const edges = new Map();
  const fromInside = new Map();
  for (const step of STEPS) {
    const source = shown.get(step.source);
    const target = shown.get(step.target);
    if (source === target) {  // inside a box: it shows only where it meets, in a door, what came from outside
      if (doors.has(step.target) || source === step.source) {
        fromInside.set(target, (fromInside.get(target) ?? 0) + partOf(step, target));
      }
      continue;
    }
    const key = `${source.key}>${target.key}`;
    if (!edges.has(key)) edges.set(key, { key, source, target, steps: [], norm: 0, share: 0 });
    const edge = edges.get(key);
    edge.steps.push(step);
    edge.norm = Math.hypot(edge.norm, step.norm);
    edge.share += partOf(step, target);
  }
  for (const edge of edges.values()) {
    if (edge.steps.some((step) => step.norm === null)) edge.norm = null;
    if (!(edge.target.norm > 0)) edge.share = null;
  }
  const incoming = new Map();
  for (const { target } of edges.values()) incoming.set(target, (incoming.get(target) ?? 0) + 1);
  return { edges: [...edges.values()], incoming, fromInside };
}

/** <c, dL/dx> of one contribution, over |dL/dx|^2 of all that arrives in a box. */
function partOf({ share, target }, box) {
  return share && box.norm > 0 ? share * (target.norm / box.norm) ** 2 : 0;
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
