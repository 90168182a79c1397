/* main: what is open, what is chosen and which step is shown; and how the picture follows.

   Everything that changes what is visible ends in `render`; everything else only marks what is there. */

const state = { open: new Set(), view: null, chosen: null, edge: null, step: 0, found: [], hit: -1, playing: 0 };

/** What the panel shows while the pointer is elsewhere: the edge of the step, or what was chosen since. */
function showAtRest() {
  if (state.edge) showEdgeInPanel(state.edge);
  else showInPanel(state.chosen, state.view);
}

/** Draw the picture again; the thing `fixed` stays where it is on the screen. */
function render(fixed) {
  const before = fixed && [camera.x + fixed.origin[0] * camera.scale, camera.y + fixed.y * camera.scale];
  const hadFocus = stage.contains(document.activeElement);
  state.view = visible(state.open);
  layOut(state.view);
  route(state.view);
  draw(state.view);
  if (before) {
    const [x, y] = [fixed.origin[0] * camera.scale, fixed.y * camera.scale];
    moveTo(before[0] - x, before[1] - y, camera.scale, false);
  }
  choose(state.chosen ? shownAs(state.chosen, state.open) : state.view.boxes[0], hadFocus);
  look();
  applyThreshold(state.view);
  markFound(state.view, state.found, state.hit);
  markSteps(state.view, state.step);
}

/** Open a call, or close it. */
function toggle(call) {
  if (!call.isCall) return;
  if (!state.open.delete(call)) state.open.add(call);
  state.chosen = call;
  render(call);
}

/** Open all calls, or close all. */
function toggleAll(open) {
  state.open = new Set(open ? CALLS : []);
  render();
  fit(false);
  showEndsOfStep();
}

/** Open all calls around a thing. */
function reveal(thing) {
  const closed = callsAround(thing).filter((call) => !state.open.has(call));
  if (closed.length === 0) return;
  for (const call of closed) state.open.add(call);
  render(closed.at(-1));  // the outermost: it was visible, and stays where it is
}

/** Reveal a thing, move to it and choose it. */
function goTo(thing, focus) {
  reveal(thing);
  const isFrame = state.open.has(thing);
  show(isFrame ? { ...thing, height: HEADER } : thing);
  choose(thing, focus);
}

/** Make a thing the one that the panel shows and that the tab key reaches. */
function choose(thing, focus) {
  world.querySelector(".chosen")?.setAttribute("tabindex", -1);
  world.querySelector(".chosen")?.classList.remove("chosen");
  state.chosen = thing;
  state.edge = null;
  const element = elements.get(thing.key);
  element.classList.add("chosen");
  element.setAttribute("tabindex", 0);
  keepInSight(element);
  if (focus) element.focus({ preventScroll: true });
  showAtRest();
}

function goToStep(at, aloud = true) {
  state.step = Math.min(STEPS.length, Math.max(0, at));
  const step = STEPS[state.step - 1];
  if (step && document.getElementById("open-on-the-way").checked) {
    reveal(step.source);
    reveal(step.target);
  }
  markSteps(state.view, state.step);
  showStep(state.step, aloud);
  showEndsOfStep();
  const [source, target] = endsOfStep();
  if (source && source === target) choose(source, false);  // both are in this closed module
  state.edge = state.view.edges.find((edge) => edge.steps.includes(step)) ?? null;
  showAtRest();
}

/** The boxes of the step's source and target, or nothing before the sweep. */
function endsOfStep() {
  const step = STEPS[state.step - 1];
  return step ? [state.view.shown.get(step.source), state.view.shown.get(step.target)] : [];
}

function showEndsOfStep() {
  const ends = endsOfStep();
  if (ends.length) show(...ends);
}

/** Begin or stop running through the steps; long sweeps run faster than short ones. */
function play(on) {
  clearInterval(state.playing);
  state.playing = 0;
  const button = document.getElementById("play");
  button.setAttribute("aria-pressed", on);
  button.textContent = on ? "❚❚ Pause" : "▶ Play";
  if (!on) return;
  if (state.step === STEPS.length) goToStep(0);
  state.playing = setInterval(() => {
    goToStep(state.step + 1, false);
    if (state.step === STEPS.length) play(false);
  }, Math.min(900, Math.max(80, 60000 / STEPS.length)));
}

function search(words) {
  [state.found, state.hit] = [matches(words), -1];
  markFound(state.view, state.found, state.hit);
  showFound(state.found, state.hit);
}

/** Go to the next thing that was found, or back to the one before. */
function goToFound(direction) {
  if (state.found.length === 0) return;
  state.hit = Math.max(0, state.hit + direction + state.found.length) % state.found.length;
  goTo(state.found[state.hit], false);
  markFound(state.view, state.found, state.hit);
  showFound(state.found, state.hit);
}

function setTheme(dark) {
  document.documentElement.setAttribute("data-theme", dark ? "dark" : "light");
  document.getElementById("theme").setAttribute("aria-pressed", dark);
}
