"use strict";
// Figures are made in Python; here they take the theme's colours, on the screen and on paper.
const page = (() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  const isDark = () =>
    !printing && (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const themed = (value) => {
    if (typeof value === "string") return isDark() && Object.hasOwn(data.dark, value) ? data.dark[value] : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item)]));
  };
  const draw = (target, figure) => Plotly.react(target, figure.data, figure.layout, data.config);
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
    addEventListener("beforeprint", () => { printing = true; redraw(); });
    addEventListener("afterprint", () => { printing = false; redraw(); });
    nameTheme();
  }

  return { data, themed, draw, onTheme };
})();
