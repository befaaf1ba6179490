// Says of the step under the pointer what a task makes of it, in the place of its own distance alone.
"use strict";
(() => {
  const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
  const [told, { answers }] = [parsed("task"), parsed("steps")];
  const tip = document.getElementById("tip");
  document.getElementById("picture").addEventListener("pointermove", () => {
    const [first] = tip.textContent.split("\n");
    const index = first.match(/^step (\d+)/)?.[1];
    if (tip.hidden || told[index] === undefined) return;
    const lines = [first, told[index]];
    if (answers[index] !== undefined) lines.push(`answer: ${answers[index]}`);
    tip.textContent = lines.join("\n");
  });
})();
