"use strict";
// Figures are made in Python; here they take the theme's colours, on the screen and on paper.
const page = (() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  let folds = []; // those that the reader has closed; paper has them open

  const isDark = () =>
    !printing && (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const themed = (value) => {
    if (typeof value === "string") return isDark() && Object.hasOwn(data.dark, value) ? data.dark[value] : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item)]));
  };
  function draw(target, figure) {
    Plotly.react(target, figure.data, figure.layout, data.config);
    // A figure keeps its width, also where its place has been made wider or narrower while hidden.
    const drawn = target.querySelector("svg.main-svg")?.clientWidth;
    if (drawn && target.clientWidth && Math.abs(drawn - target.clientWidth) > 1) {
      Plotly.relayout(target, { autosize: true });
    }
  }
  const nameTheme = () => {
    button.firstChild.textContent = isDark() ? "Light" : "Dark";
  };

  // Calls back whenever the colours have changed.
  function onTheme(redraw) {
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("study-theme", root.dataset.theme);
      } catch { /* only for this visit, then */ }
      nameTheme();
      redraw();
    });
    system.addEventListener("change", () => { nameTheme(); redraw(); });
    onPrint(redraw);
    nameTheme();
  }

  // The class gives the page the width of the paper, at which the figures are drawn anew.
  function onPrint(redraw) {
    const turn = (on) => {
      // The card of the retest keeps its fold shut: the tab of the held-out test says the same.
      if (on && !printing) folds = [...document.querySelectorAll("details:not([open]):not(.worth + details)")];
      printing = on;
      for (const fold of folds) fold.open = on;
      root.classList.toggle("printing", on);
      redraw();
    };
    addEventListener("beforeprint", () => turn(true));
    addEventListener("afterprint", () => turn(false));
    // What shows the page as on paper without printing it says so only here.
    matchMedia("print").addEventListener("change", ({ matches }) => {
      if (matches !== printing) dispatchEvent(new Event(matches ? "beforeprint" : "afterprint"));
    });
  }

  return { data, themed, draw, onTheme };
})();
