// Shows the step under the pointer. All text is set as text, never as markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("steps").textContent);
  const svg = document.getElementById("picture");
  const tip = document.getElementById("tip");
  const cursor = document.getElementById("cursor");
  const { left, right, top, bottom, begin_s, end_s } = data.axis;
  const nearest = (time) => {
    let best = 0;
    for (let i = 1; i < data.time_s.length; i += 1) {
      if (Math.abs(data.time_s[i] - time) < Math.abs(data.time_s[best] - time)) best = i;
    }
    return best;
  };
  const hide = () => {
    tip.hidden = true;
    cursor.setAttribute("visibility", "hidden");
  };
  const describe = (i) => {
    const lines = [`step ${data.index[i]}, ${data.time_s[i].toFixed(3)} s`];
    if (data.distance_m[i] === null) {
      lines.push(`not valid: ${data.states[data.state[i]]}`);
    } else {
      lines.push(`distance ${data.distance_m[i].toFixed(4)} m`);
      const interval = data.interval_m?.[i];
      if (interval) lines.push(`90 % interval ${interval[0].toFixed(4)} to ${interval[1].toFixed(4)} m`);
      if (data.reward[i] !== null) lines.push(`reward ${data.reward[i].toFixed(4)}`);
      lines.push(`confidence ${data.confidence[i].toFixed(2)}`);
      if (data.states[data.state[i]] === "success") lines.push("success");
    }
    const answer = data.answers[data.index[i]];
    if (answer !== undefined) lines.push(`answer: ${answer}`);
    return lines.join("\n");
  };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const inside = place.x >= left && place.x <= right && place.y >= top && place.y <= bottom;
    if (!inside || data.time_s.length === 0) return hide();
    const perSecond = (right - left) / (end_s - begin_s);
    const step = nearest(begin_s + (place.x - left) / perSecond);
    const x = left + (data.time_s[step] - begin_s) * perSecond;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    tip.textContent = describe(step);
    tip.hidden = false;
    const flip = event.clientX + tip.offsetWidth + 28 > window.innerWidth;
    tip.style.left = `${flip ? event.clientX - tip.offsetWidth - 14 : event.clientX + 14}px`;
    tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 10)}px`;
  });
})();
