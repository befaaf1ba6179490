// Draws the boxes of one bag after the other. The program follows them and tells what comes of it.

import { Curve } from "./curve.js";
import { Pictures, server } from "./server.js";
import { Stage } from "./stage.js";

const REGIONS = ["fingertip", "target"];
/// Keys that are held move a box many times; it is followed when they rest.
const REST_MS = 250;
const AGAIN_MS = 1000;

const element = (id) => document.getElementById(id);
const seconds = (time) => `${time.toFixed(2)} s`;

/// The program's word.
let state = null;
/// Of the bag that is shown.
let bag = null;
/// The boxes of the bag before, to be proposed where the program found none.
let last = null;
let region = "fingertip";

const draws = () => REGIONS.filter((_, index) => state?.draws[index]);
const drawnAt = (of, frame) => bag.boxes[of].find((drawn) => drawn.frame === frame);
const isProposed = () => bag && bag.proposed && draws().every((of) => bag.boxes[of].length === 0);

function boxAt(of) {
  if (!bag) return null;
  const drawn = drawnAt(of, bag.frame);
  if (drawn) return { corners: drawn.corners, kind: "drawn" };
  // What was followed from boxes that are none any more is not shown.
  const followed = bag.boxes[of].length > 0 ? bag.curve?.[of]?.[bag.frame] : null;
  if (followed) return { corners: followed, kind: "followed" };
  const proposed = isProposed() ? bag.proposed[of][0] : null;
  return proposed ? { corners: proposed.corners, kind: "proposed" } : null;
}

const stage = new Stage({
  stage: element("stage"),
  image: element("image"),
  overlay: element("overlay"),
  regions: draws,
  active: () => region,
  boxAt,
  drawn: draw,
  chosen: choose,
});
const curve = new Curve(element("curve"), seek);

function draw(of, corners, isNudge = false) {
  const rounded = corners.map((corner) => Math.round(corner * 10) / 10);
  const others = bag.boxes[of].filter((drawn) => drawn.frame !== bag.frame);
  bag.boxes[of] = [...others, { frame: bag.frame, corners: rounded }].sort((a, b) => a.frame - b.frame);
  changed(isNudge);
  // Then the region that has none yet.
  const missing = draws().find((one) => bag.boxes[one].length === 0);
  if (missing && !isNudge) choose(missing);
}

function remove(of, frame) {
  if (!drawnAt(of, frame)) return;
  bag.boxes[of] = bag.boxes[of].filter((drawn) => drawn.frame !== frame);
  changed(false);
}

function accept() {
  if (!isProposed()) return;
  for (const of of draws()) {
    const proposed = bag.proposed[of][0];
    // What was found is in the picture that it was found in.
    if (proposed) bag.boxes[of] = [{ frame: bag.isFound ? proposed.frame : bag.frame, corners: proposed.corners }];
  }
  changed(false);
}

/// The boxes are others: tell the program, at once or when the keys rest.
function changed(isNudge) {
  const of = bag;
  of.version += 1;
  clearTimeout(of.resting);
  of.resting = isNudge ? setTimeout(() => send(of), REST_MS) : null;
  if (!isNudge) send(of);
  of.works = true;
  paint();
}

async function send(of) {
  of.resting = null;
  const version = of.version;
  try {
    of.answered = Math.max(of.answered, await server.draw(of.index, of.boxes));
    of.sent = Math.max(of.sent, version);
  } catch (error) {
    lost(error);
  }
}

/// What rests is told before something else is done.
async function settle() {
  if (!bag?.resting) return;
  clearTimeout(bag.resting);
  await send(bag);
}

function choose(of) {
  region = of;
  document.querySelector(`input[name="region"][value="${of}"]`).checked = true;
  paint();
}

function seek(frame) {
  if (!bag) return;
  bag.frame = Math.min(bag.times.length - 1, Math.max(0, frame));
  const of = bag;
  of.pictures.show(of.frame, (url) => {
    if (bag === of && url) element("image").src = url;
  });
  paint();
}

async function open(index) {
  if (index < 0 || index >= state.bags.length || index === state.current) return;
  await settle();
  if (bag && draws().every((of) => bag.boxes[of].length > 0)) last = { boxes: structuredClone(bag.boxes), times: bag.times };
  await server.open(index).catch(lost);
}

/// Take over the bag that the program shows.
function enter() {
  bag?.pictures.close();
  bag = null;
  if (!state.open) return;
  const { width, height, times_s: times, boxes, proposed } = state.open;
  bag = { index: state.current, times, boxes, frame: 0, curve: null, known: 0, version: 0, sent: 0, answered: 0, works: false, resting: null };
  bag.pictures = new Pictures(bag.index, times.length);
  bag.isFound = draws().some((of) => proposed[of].length > 0);
  bag.proposed = bag.isFound ? proposed : last && structuredClone(last.boxes);
  stage.resize(width, height);
  document.querySelector("aside").scrollTop = 0;
  element("time").max = times.length - 1;
  // Where the last bag was drawn first, this one is looked at first.
  const first = draws().map((of) => (bag.boxes[of][0] ?? bag.proposed?.[of][0])?.frame ?? 0);
  seek(Math.max(0, ...first));
  choose(draws().find((of) => bag.boxes[of].length === 0) ?? draws()[0] ?? "fingertip");
}

async function take(told) {
  const before = state;
  state = told;
  const isOther = before?.current !== state.current || Boolean(before?.open) !== Boolean(state.open);
  if (isOther) enter();
  // What was said before the newest boxes were heard is not of them.
  if (bag && state.open && told.revision >= bag.answered) {
    if (state.open.curve > bag.known) {
      const of = bag;
      of.known = state.open.curve;
      const newest = await server.curve();
      if (bag !== of) return;
      of.curve = newest;
      // Meanwhile others may have been drawn.
      if (of.version === of.sent && told.revision >= of.answered) of.boxes = told.open.boxes;
    }
    if (told.revision >= bag.answered) bag.works = told.open.works || bag.version !== bag.sent;
  }
  paint();
}

async function listen() {
  let revision = 0;
  for (;;) {
    try {
      const told = await server.state(revision, bag ? bag.index : null);
      revision = told.revision;
      await take(told);
      if (told.ended) return;
      if (state.current === null && state.bags.length > 0) {
        const first = state.bags.findIndex((one) => !one.done);
        await open(Math.max(0, first));
      }
    } catch (error) {
      if (state?.ended || element("end").hidden === false) return;
      lost(error);
      await new Promise((again) => setTimeout(again, AGAIN_MS));
    }
  }
}

function lost(error) {
  element("trouble").textContent = `The program does not answer (${error.message}). It may have ended: what is drawn is in ${state?.file ?? "its file"}.`;
}

function paint() {
  if (!state) return;
  const { bags, current } = state;
  const isEnd = state.ended;
  element("main").hidden = !bag || isEnd;
  element("bags").hidden = isEnd;
  element("end").hidden = !isEnd;
  const own = current === null ? null : bags[current];
  const broken = own?.error;
  element("broken").hidden = !broken || isEnd;
  element("broken").textContent = broken ? `This bag cannot be used: ${broken}` : "";
  element("bag").textContent = own && !isEnd ? `Bag ${current + 1} of ${bags.length}: ${own.name}` : "spatial-reward pick";
  document.title = own ? `${own.name} - spatial-reward pick` : "spatial-reward pick";
  element("task").textContent = task();
  paintBags();
  if (isEnd) return paintEnd();
  if (!bag) return;
  const time = element("time");
  time.value = bag.frame;
  const at = `${seconds(bag.times[bag.frame])}, picture ${bag.frame + 1} of ${bag.times.length}`;
  time.setAttribute("aria-valuetext", at);
  const distance = bag.curve?.distance_m[bag.frame] ?? null;
  const std = bag.curve?.std_m[bag.frame] ?? null;
  const gap = bag.curve?.gaps.find(({ first, last }) => first <= bag.frame && bag.frame <= last);
  const measured = distance === null ? gap && isComplete() ? `: no distance, ${gap.reason}` : "" : `: ${(100 * distance).toFixed(1)} cm${std === null ? "" : ` ± ${(1000 * std).toFixed(0)} mm`}`;
  element("where").textContent = at + measured;
  element("regions").hidden = draws().length < 2;
  element("proposal").hidden = !isProposed();
  element("proposed-by").textContent = bag?.isFound ? "The dashed boxes are the detector's." : "The dashed boxes are the last bag's.";
  const corners = boxAt(region)?.corners;
  document.querySelectorAll("[data-corner]").forEach((input) => {
    if (document.activeElement !== input) input.value = corners ? Math.round(corners[input.dataset.corner] * 10) / 10 : "";
  });
  stage.paint();
  curve.show(bag.times.length, isComplete() ? bag.curve : null, bag.boxes);
  curve.moveTo(bag.frame);
  // How many curves there were, for who waits for the next.
  element("curve").dataset.shown = bag.works ? "" : bag.known;
  paintSteps();
  paintDrawn();
}

const isComplete = () => bag && draws().every((of) => bag.boxes[of].length > 0);

function task() {
  if (state.ended) return "";
  if (state.bags.length === 0) return "There is no bag.";
  if (!bag) return state.current !== null && state.bags[state.current].error ? "" : "Reading the bag ...";
  if (isProposed()) return "Draw around both, or use the dashed boxes.";
  const missing = draws().filter((of) => bag.boxes[of].length === 0);
  if (missing.length > 0) return `Drag a box around the ${missing.includes(region) ? region : missing[0]}.`;
  if (bag.works) return "Following ...";
  const lostAt = bag.curve?.gaps.some((gap) => gap.lost);
  return lostAt ? "Draw again where one is lost, or go on." : "Look along the slider, and go on.";
}

function paintSteps() {
  const steps = element("steps");
  steps.classList.toggle("works", bag.works);
  const [done, all] = state.progress;
  let words = "";
  if (bag.works && isComplete()) words = all > 0 ? `Following: ${done} of ${all}` : "Following ...";
  else if (bag.curve && isComplete()) words = `${bag.curve.valid} of ${bag.times.length} steps have a distance.`;
  steps.textContent = words;
  element("trouble").textContent = [state.open?.error, state.file_error].filter(Boolean).join("\n");
  const gaps = isComplete() && bag.curve ? bag.curve.gaps : [];
  element("lost").hidden = !gaps.some((gap) => gap.lost);
  renew(element("gaps"), gaps.map((gap) => {
    const from = seconds(bag.times[gap.first]);
    const span = gap.first === gap.last ? from : `${bag.times[gap.first].toFixed(2)} to ${seconds(bag.times[gap.last])}`;
    const what = gap.lost ? `${gap.lost} lost` : gap.meaning;
    const again = gap.lost && draws().includes(gap.lost);
    const go = button(again ? "Draw again" : "Go", () => goTo(gap), `${again ? `Draw the ${gap.lost} again` : "Go to the gap"} at ${from}`);
    return { key: `${span} ${gap.reason} ${gap.lost}`, parts: [text(`${span}: ${what}`), go] };
  }));
}

function paintDrawn() {
  const drawn = draws().flatMap((of) => bag.boxes[of].map(({ frame, corners }) => ({ of, frame, corners })));
  renew(element("drawn"), drawn.map(({ of, frame, corners }) => {
    const at = seconds(bag.times[frame] ?? 0);
    const what = text(`${of} at ${at}`);
    const go = button("Go", () => {
      choose(of);
      seek(frame);
    }, `Go to the ${of}'s box at ${at}`);
    const gone = button("Remove", () => remove(of, frame), `Remove the ${of}'s box at ${at}`);
    return { key: `${of} ${frame} ${corners}`, parts: [what, go, gone] };
  }));
}

/// Replace a list's items, but keep those that are the same: one of them may have the focus.
function renew(list, items) {
  const keys = items.map((item) => item.key).join("|");
  if (list.dataset.keys === keys) return;
  list.dataset.keys = keys;
  list.replaceChildren(...items.map(({ parts }) => {
    const item = document.createElement("li");
    item.append(...parts);
    return item;
  }));
}

function text(words) {
  const span = document.createElement("span");
  span.className = "what";
  span.textContent = words;
  return span;
}

function button(words, press, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = words;
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", press);
  return button;
}

function paintBags() {
  const { bags, current } = state;
  const mark = (one) => (one.error ? "✗ " : one.done ? "✓ " : "");
  const spoken = (one) => (one.error ? ", cannot be used" : one.done ? ", done" : ", to be drawn");
  renew(element("list"), bags.map((one, index) => {
    const to = button(`${mark(one)}${one.name}`, () => open(index), one.name + spoken(one));
    to.className = one.error ? "broken" : one.done ? "done" : "";
    to.title = one.path;
    if (index === current) to.setAttribute("aria-current", "true");
    return { key: `${one.path} ${mark(one)} ${index === current}`, parts: [to] };
  }));
  if (current !== paintBags.last) element("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  paintBags.last = current;
  element("previous").disabled = !(current > 0);
  element("next").disabled = current === null || current + 1 >= bags.length;
  const isLast = current !== null && current + 1 >= bags.length;
  const ready = bag ? isComplete() : Boolean(current !== null && bags[current].error);
  element("next").classList.toggle("main", ready && !isLast);
  element("finish").classList.toggle("main", ready && isLast);
}

function paintEnd() {
  const done = state.bags.filter((one) => one.done);
  const left = state.bags.filter((one) => !one.done).map((one) => one.name);
  const head = element("end-head");
  head.textContent = done.length > 0 ? "Done" : "Nothing was drawn";
  const missing = left.length > 0 ? ` Without boxes: ${left.join(", ")}.` : "";
  element("end-text").textContent = done.length > 0 ? `${state.file} has the boxes of ${done.length} of ${state.bags.length} bags.${missing} Next:` : missing;
  element("command").textContent = state.command;
  element("command").parentElement.hidden = done.length === 0;
  head.focus();
}

element("time").addEventListener("input", (event) => seek(Number(event.target.value)));
document.querySelectorAll('input[name="region"]').forEach((input) => input.addEventListener("change", () => choose(input.value)));
element("accept").addEventListener("click", accept);
element("previous").addEventListener("click", () => open(state.current - 1));
element("next").addEventListener("click", () => open(state.current + 1));
element("finish").addEventListener("click", async () => {
  await settle();
  await server.finish().catch(lost);
});

document.querySelectorAll("[data-corner]").forEach((input) => input.addEventListener("change", () => {
  const typed = [...document.querySelectorAll("[data-corner]")].map((one) => (one.value === "" ? NaN : Number(one.value)));
  const [left, top, right, bottom] = typed;
  const isInside = left >= 0 && top >= 0 && right <= stage.width && bottom <= stage.height;
  // The others are still to come.
  if (bag && isInside && right > left && bottom > top) draw(region, typed, true);
}));

addEventListener("keydown", (event) => {
  if (!bag && !["n", "p"].includes(event.key)) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.type === "number") return;
  const isOnControl = event.target.closest("button, summary, input");
  const actions = {
    f: () => draws().includes("fingertip") && choose("fingertip"),
    t: () => draws().includes("target") && choose("target"),
    ",": () => seek(bag.frame - 1),
    ".": () => seek(bag.frame + 1),
    g: nextGap,
    n: () => open(state.current + 1),
    p: () => open(state.current - 1),
    Delete: () => remove(region, bag.frame),
    Enter: () => !isOnControl && accept(),
  };
  const action = actions[event.key];
  if (action) {
    action();
    if (event.key !== "Enter") event.preventDefault();
  }
});

function nextGap() {
  const gaps = isComplete() && bag.curve ? bag.curve.gaps : [];
  const gap = gaps.find(({ first }) => first > bag.frame) ?? gaps[0];
  if (gap) goTo(gap);
}

/// To where its region is to be drawn again: it changed since it was seen, and is drawn best where most of the gap is near.
function goTo(gap) {
  if (gap.lost && draws().includes(gap.lost)) choose(gap.lost);
  seek(gap.lost ? Math.floor((gap.first + gap.last) / 2) : gap.first);
}

listen();
