// The distance over the whole bag, above the slider, with the gaps and the pictures that were drawn in.

import { svg } from "./stage.js";

/// Half of a slider's thumb: its middle never reaches the ends.
const MARGIN = 8;
const TOP = 16;
const BOTTOM = 6;

export class Curve {
  constructor(element, seek) {
    Object.assign(this, { element, count: 0, curve: null, boxes: null, frame: 0 });
    const go = (event) => {
      const { left, width } = element.getBoundingClientRect();
      const share = (event.clientX - left - MARGIN) / Math.max(1, width - 2 * MARGIN);
      seek(Math.round(Math.min(1, Math.max(0, share)) * (this.count - 1)));
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      go(event);
    });
    element.addEventListener("pointermove", (event) => event.buttons === 1 && go(event));
    new ResizeObserver(() => this.paint()).observe(element);
  }

  x(frame) {
    return MARGIN + (frame / Math.max(1, this.count - 1)) * (this.element.clientWidth - 2 * MARGIN);
  }

  show(count, curve, boxes) {
    Object.assign(this, { count, curve, boxes });
    this.paint();
  }

  moveTo(frame) {
    this.frame = frame;
    const now = this.element.querySelector(".now");
    now?.setAttribute("x1", this.x(frame));
    now?.setAttribute("x2", this.x(frame));
  }

  paint() {
    const [width, height] = [this.element.clientWidth, this.element.clientHeight];
    // It is not shown yet.
    if (width <= 2 * MARGIN || height <= TOP + BOTTOM) return;
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = [svg("line", { class: "axis", x1: MARGIN, x2: width - MARGIN, y1: height - BOTTOM, y2: height - BOTTOM })];
    if (this.curve) parts.push(...this.distances(width, height));
    for (const [region, row] of [["fingertip", 0], ["target", 1]]) {
      for (const { frame } of this.boxes?.[region] ?? []) {
        const [x, y] = [this.x(frame), 1 + 7 * row];
        parts.push(svg("path", { class: region, d: `M${x - 4.5},${y}h9l-4.5,7z` }));
      }
    }
    parts.push(svg("line", { class: "now", x1: this.x(this.frame), x2: this.x(this.frame), y1: 0, y2: height }));
    this.element.replaceChildren(...parts);
  }

  distances(width, height) {
    const { distance_m, gaps, valid } = this.curve;
    const most = Math.max(0.01, ...distance_m.filter((one) => one !== null)) * 1.05;
    const y = (distance) => height - BOTTOM - (distance / most) * (height - TOP - BOTTOM);
    const half = (this.x(1) - this.x(0)) / 2;
    const parts = [];
    for (const { first, last } of gaps) {
      const [from, to] = [this.x(first) - half, this.x(last) + half];
      parts.push(svg("rect", { class: "gap", x: from, y: TOP, width: Math.max(1, to - from), height: height - TOP - BOTTOM }));
      parts.push(svg("line", { class: "gap-edge", x1: from, x2: to, y1: height - BOTTOM, y2: height - BOTTOM }));
    }
    let path = "";
    let runs = false;
    distance_m.forEach((distance, frame) => {
      if (distance === null) {
        runs = false;
        return;
      }
      const isAlone = !runs && (distance_m[frame + 1] ?? null) === null;
      if (isAlone) parts.push(svg("circle", { class: "dot", cx: this.x(frame), cy: y(distance), r: 1.8 }));
      path += `${runs ? "L" : "M"}${this.x(frame).toFixed(1)},${y(distance).toFixed(1)}`;
      runs = true;
    });
    parts.push(svg("path", { class: "line", d: path }));
    if (valid > 0) {
      const scale = svg("text", { class: "scale", x: width - MARGIN, y: TOP + 11, "text-anchor": "end" });
      scale.textContent = `${this.curve.kind} distance, 0 to ${(100 * most).toFixed(0)} cm`;
      parts.push(scale);
    }
    return parts;
  }
}
