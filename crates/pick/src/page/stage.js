// The picture with its boxes: drags draw and change them, arrow keys move them.

const SVG = "http://www.w3.org/2000/svg";
/// A drag that is shorter is a click, in pixels of the picture.
const LEAST_SIDE = 3;
/// How near to a corner a drag takes hold of it, in pixels of the screen; of a small box less.
const REACH = 7;
const CORNERS = { nw: [0, 1], ne: [2, 1], sw: [0, 3], se: [2, 3] };
const TAGS = { fingertip: "Fingertip", target: "Target" };

export function svg(name, attributes, children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export class Stage {
  /// `boxAt(region)` gives what there is in the shown picture: { corners, kind: drawn | followed | proposed } or null.
  constructor({ stage, image, overlay, regions, active, boxAt, drawn, chosen }) {
    Object.assign(this, { stage, image, overlay, regions, active, boxAt, drawn, chosen, draft: null, width: 1, height: 1 });
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", () => this.drop());
    stage.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.paint()).observe(stage);
  }

  resize(width, height) {
    Object.assign(this, { width, height });
    document.documentElement.style.setProperty("--ratio", width / height);
    this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  /// Pixels of the picture for one of the screen.
  get scale() {
    return this.width / Math.max(1, this.stage.clientWidth);
  }

  at(event) {
    const frame = this.overlay.getBoundingClientRect();
    const inside = (value, most) => Math.min(most, Math.max(0, value));
    return [
      inside(((event.clientX - frame.left) / frame.width) * this.width, this.width),
      inside(((event.clientY - frame.top) / frame.height) * this.height, this.height),
    ];
  }

  down(event) {
    if (event.button !== 0 || this.draft) return;
    event.preventDefault();
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    const [x, y] = this.at(event);
    const box = this.boxAt(this.active());
    const sides = box ? [box.corners[2] - box.corners[0], box.corners[3] - box.corners[1]] : [0, 0];
    const reach = Math.min(REACH * this.scale, Math.min(...sides) / 3);
    const corner = box && box.kind !== "proposed" && Object.values(CORNERS).find(([i, j]) => Math.hypot(box.corners[i] - x, box.corners[j] - y) < reach);
    this.draft = corner ? { moves: corner, corners: [...box.corners] } : { moves: [2, 3], corners: [x, y, x, y], from: [x, y] };
  }

  move(event) {
    if (!this.draft) return;
    const [x, y] = this.at(event);
    const [i, j] = this.draft.moves;
    this.draft.corners[i] = x;
    this.draft.corners[j] = y;
    this.paint();
  }

  up(event) {
    if (!this.draft) return;
    const { corners, from } = this.draft;
    this.draft = null;
    const box = upright(corners);
    if (box[2] - box[0] >= LEAST_SIDE && box[3] - box[1] >= LEAST_SIDE) {
      this.drawn(this.active(), box);
    } else if (from) {
      this.choose(this.at(event));
    }
    this.paint();
  }

  drop() {
    this.draft = null;
    this.paint();
  }

  /// A click into the other region's box takes that.
  choose([x, y]) {
    const hit = this.regions().find((region) => {
      const box = this.boxAt(region);
      return region !== this.active() && box && x >= box.corners[0] && x <= box.corners[2] && y >= box.corners[1] && y <= box.corners[3];
    });
    if (hit) this.chosen(hit);
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step || event.altKey || event.metaKey) return;
    event.preventDefault();
    const by = event.ctrlKey ? 10 : 1;
    const [x, y] = step.map((one) => one * by);
    const box = this.boxAt(this.active())?.corners ?? this.inTheMiddle();
    const corners = event.shiftKey ? [box[0], box[1], box[2] + x, box[3] + y] : [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
    const isInside = corners[0] >= 0 && corners[1] >= 0 && corners[2] <= this.width && corners[3] <= this.height;
    if (isInside && corners[2] - corners[0] >= LEAST_SIDE && corners[3] - corners[1] >= LEAST_SIDE) {
      this.drawn(this.active(), corners, true);
    }
  }

  inTheMiddle() {
    const [x, y, half] = [this.width / 2, this.height / 2, this.width / 16];
    return [x - half, y - half, x + half, y + half].map(Math.round);
  }

  paint() {
    const groups = this.regions().map((region) => {
      const isActive = region === this.active();
      const box = isActive && this.draft ? { corners: upright(this.draft.corners), kind: "drawn" } : this.boxAt(region);
      return box ? this.group(region, box, isActive) : "";
    });
    this.overlay.replaceChildren(...groups.filter(Boolean));
  }

  group(region, { corners: [left, top, right, bottom], kind }, isActive) {
    const scale = this.scale;
    const place = { x: left, y: top, width: right - left, height: bottom - top };
    // The boxes often lie over each other; then their names do not.
    const tagIsAbove = region === "fingertip" ? top > 20 * scale : bottom > this.height - 20 * scale;
    const tag = svg("text", { class: "tag", x: left, y: tagIsAbove ? top - 6 * scale : bottom + 17 * scale, "font-size": 14 * scale });
    tag.textContent = kind === "proposed" ? `${TAGS[region]}?` : TAGS[region];
    tag.style.strokeWidth = `${3 * scale}px`;
    const parts = [svg("rect", { class: "box halo", ...place }), svg("rect", { class: `box line ${kind}`, ...place }), tag];
    if (isActive && kind !== "proposed") {
      const half = Math.min(4.5 * scale, place.width / 6, place.height / 6);
      for (const [name, [i, j]] of Object.entries(CORNERS)) {
        const corners = [left, top, right, bottom];
        parts.push(svg("rect", { class: `handle ${name}`, x: corners[i] - half, y: corners[j] - half, width: 2 * half, height: 2 * half }));
      }
    }
    return svg("g", { class: region }, parts);
  }
}

function upright([x0, y0, x1, y1]) {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
}
