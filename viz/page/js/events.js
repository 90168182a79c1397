/* events: what keys, buttons and the pointer do; and the start of the program. */

/** The box or header, or the edge, that an event happened on. */
function thingAt(event) {
  return THINGS.get(event.target.closest(".box, .header")?.getAttribute("data-key"));
}

function edgeAt(event) {
  const key = event.target.closest(".edge")?.getAttribute("data-key");
  return state.view.edges.find((edge) => edge.key === key);
}

function onClick(event) {
  const thing = thingAt(event);
  if (!thing) return;
  choose(thing, true);
  toggle(thing);
}

function onHover(event) {
  const [thing, edge] = [thingAt(event), edgeAt(event)];
  world.querySelector(".label.hovered")?.classList.remove("hovered");
  if (edge) elements.get(`label ${edge.key}`)?.classList.add("hovered");
  if (thing) showInPanel(thing, state.view);
  else if (edge) showEdgeInPanel(edge);
  else showAtRest();
}

/** Keys that work everywhere except in fields and buttons that use them. */
const KEYS = {
  ArrowRight: () => goToStep(state.step + 1),
  ArrowLeft: () => goToStep(state.step - 1),
  Home: () => goToStep(0),
  End: () => goToStep(STEPS.length),
  " ": () => play(!state.playing),
  "+": () => zoom(1.25),
  "-": () => zoom(0.8),
  "/": () => searchField.focus(),
};

/** Keys of the graph itself. */
const KEYS_IN_GRAPH = {
  ArrowDown: () => goAlong(1),
  ArrowUp: () => goAlong(-1),
  Enter: () => toggle(state.chosen),
};

/** To the next box or header in the order of the sweep. */
function goAlong(direction) {
  const things = [...state.view.frames.slice(1), ...state.view.boxes];
  things.sort((a, b) => a.order - b.order || a.depth - b.depth);
  const next = things[things.indexOf(state.chosen) + direction];
  if (next) goTo(next, true);
}

function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target === searchField || target === threshold) return;
  if (key === " " && target.matches("button, summary, input")) return;
  const does = (stage.contains(target) && KEYS_IN_GRAPH[key]) || KEYS[key];
  if (!does) return;
  event.preventDefault();
  does();
}

function on(id, event, does) {
  document.getElementById(id).addEventListener(event, does);
}

function start() {
  document.getElementById("summary").textContent = DATA.summary;
  on("expand", "click", () => toggleAll(true));
  on("collapse", "click", () => toggleAll(false));
  on("fit", "click", () => fit());
  on("closer", "click", () => zoom(1.25));
  on("farther", "click", () => zoom(0.8));
  on("theme", "click", () => setTheme(document.documentElement.getAttribute("data-theme") !== "dark"));
  on("threshold", "input", () => applyThreshold(state.view));
  on("back", "click", () => goToStep(state.step - 1));
  on("forward", "click", () => goToStep(state.step + 1));
  on("play", "click", () => play(!state.playing));
  on("step", "input", () => goToStep(Number(slider.value)));
  on("search", "input", () => search(searchField.value));
  on("search", "keydown", (event) => { if (event.key === "Enter") goToFound(event.shiftKey ? -1 : 1); });
  on("panel", "click", (event) => {
    const thing = THINGS.get(event.target.getAttribute("data-go"));
    if (thing) goTo(thing, false);
  });
  on("graph", "focusin", (event) => {
    const thing = thingAt(event);
    if (thing && thing !== state.chosen) choose(thing, false);
  });
  on("graph", "mouseover", onHover);
  on("graph", "mouseleave", showAtRest);
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", () => { look(); showEndsOfStep(); });
  startCamera(onClick);
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
  slider.max = STEPS.length;
  drawLegend();
  state.open = readableDepth(40);
  render();
  fit(false);
  showStep(0, false);
}

start();
