/* camera: which part of the picture is visible, and at what scale. */

const stage = document.getElementById("graph");
const camera = { x: 0, y: 0, scale: 1, moving: 0 };
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");
const MARGIN = 24;

function look() {
  world.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.scale})`);
  showBands(-camera.y / camera.scale, (stage.clientHeight - camera.y) / camera.scale);
  stage.classList.toggle("far", camera.scale < 0.35);  // too small to read: only shapes and colours
}

/** Move to a place, with an animation unless the reader prefers reduced motion. */
function moveTo(x, y, scale, glide = true) {
  cancelAnimationFrame(camera.moving);
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

/** Move to these things, if any of them is out of sight or too small to read. */
function show(...things) {
  const scale = Math.max(camera.scale, 0.6);
  const left = Math.min(...things.map((thing) => thing.x));
  const right = Math.max(...things.map((thing) => thing.x + thing.width));
  const top = Math.min(...things.map((thing) => thing.y));
  const bottom = Math.max(...things.map((thing) => thing.y + thing.height));
  const inside = camera.x + left * scale >= 0 && camera.x + right * scale <= stage.clientWidth
    && camera.y + top * scale >= 0 && camera.y + bottom * scale <= stage.clientHeight;
  if (inside && scale === camera.scale) return;
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  moveTo(stage.clientWidth / 2 - x * scale, stage.clientHeight / 2 - y * scale, scale);
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
