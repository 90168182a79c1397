/* camera: which part of the picture is visible, and at what scale. */

const stage = document.getElementById("graph");
const camera = { x: 0, y: 0, scale: 1, moving: 0, goal: { x: 0, y: 0, scale: 1 } };  // the goal of an animation
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");
const MARGIN = 24;
const READABLE = 0.6;

function look() {
  world.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.scale})`);
  showBands(-camera.y / camera.scale, (stage.clientHeight - camera.y) / camera.scale);
  stage.classList.toggle("far", camera.scale < 0.35);  // too small to read: only shapes and colours
}

/** Move to a place, with an animation unless the reader prefers reduced motion. */
function moveTo(x, y, scale, glide = true) {
  cancelAnimationFrame(camera.moving);
  camera.goal = { x, y, scale };
  const from = { ...camera };
  const start = performance.now();
  const frame = (now) => {
    const t = glide && !CALM.matches ? Math.min(1, (now - start) / 220) : 1;
    const s = Math.max(0, t * (2 - t));
    camera.x = from.x + (x - from.x) * s;
    camera.y = from.y + (y - from.y) * s;
    camera.scale = from.scale + (scale - from.scale) * s;
    look();
    if (t < 1) camera.moving = requestAnimationFrame(frame);
  };
  frame(start);
}

function zoom(factor, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) {
  const scale = Math.min(4, Math.max(0.01, camera.scale * factor));
  const ratio = scale / camera.scale;
  moveTo(atX - (atX - camera.x) * ratio, atY - (atY - camera.y) * ratio, scale, false);
}

/** Show the whole width of the picture from the loss on, and its whole height too if that stays readable. */
function fit(glide = true) {
  const { clientWidth: width, clientHeight: height } = stage;
  const across = Math.min(1.15, (width - 2 * MARGIN) / ROOT.width);
  const whole = Math.min(across, (height - 2 * MARGIN) / ROOT.height);
  const scale = whole >= 0.7 ? whole : across;
  moveTo((width - ROOT.width * scale) / 2, MARGIN, scale, glide);
}

/** Move to these things, if any of them is out of sight or too small to read; things far apart are shown small. */
function show(...things) {
  const { clientWidth: width, clientHeight: height } = stage;
  const left = Math.min(...things.map((thing) => thing.x));
  const right = Math.max(...things.map((thing) => thing.x + thing.width));
  const top = Math.min(...things.map((thing) => thing.y));
  const bottom = Math.max(...things.map((thing) => thing.y + thing.height));
  const fits = Math.min((width - 2 * MARGIN) / (right - left), (height - 2 * MARGIN) / (bottom - top));
  const { goal } = camera;
  const scale = Math.min(Math.max(goal.scale, READABLE), fits);
  const inside = goal.x + left * scale >= 0 && goal.x + right * scale <= width
    && goal.y + top * scale >= 0 && goal.y + bottom * scale <= height;
  if (inside && scale === goal.scale) return;
  moveTo((width - (left + right) * scale) / 2, (height - (top + bottom) * scale) / 2, scale);
}

/** Drag to pan; a click is a press that did not move. */
function startCamera(clicked) {
  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button === 0) drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    if (!drag.moved) stage.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, moved: true };
    moveTo(camera.x + dx, camera.y + dy, camera.scale, false);
  });
  stage.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) clicked(event);
    drag = null;
  });
  stage.addEventListener("pointercancel", () => { drag = null; });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top } = stage.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoom(Math.exp(-event.deltaY * lines * 0.0015), event.clientX - left, event.clientY - top);
  }, { passive: false });
}
