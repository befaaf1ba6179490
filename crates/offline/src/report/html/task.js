// Says of the step under the pointer what a task makes of it, in the place of its own distance alone.
"use strict";
(() => {
  const told = JSON.parse(document.getElementById("task").textContent);
  const tip = document.getElementById("tip");
  document.getElementById("picture").addEventListener("pointermove", () => {
    const [first] = tip.textContent.split("\n");
    const words = told[first.match(/^step (\d+)/)?.[1]];
    if (!tip.hidden && words !== undefined) tip.textContent = `${first}\n${words}`;
  });
})();
