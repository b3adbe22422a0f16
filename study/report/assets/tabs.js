"use strict";
// One section at a time, named by the address: #complexity, or #trial-12. Without this script, and
// on paper, all of them stand one below the other (page.html opens the first). What a hidden one draws, it draws when opened.
const tabs = (() => {
  const panels = [...document.querySelectorAll("section.panel")];
  const links = [...document.querySelectorAll("nav .tabs a")];
  const listeners = [];
  let open = null;
  // Or the browser would scroll to the panel, and the head of the page out of sight.
  for (const panel of panels) {
    panel.dataset.key = panel.id;
    panel.removeAttribute("id");
  }

  const isOpen = (node) => !document.body.classList.contains("tabbed") ||
    node.closest("section.panel").classList.contains("open");

  function show(key) {
    open = key;
    for (const panel of panels) panel.classList.toggle("open", panel.dataset.key === key);
    for (const link of links) {
      if (link.hash === `#${key}`) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else link.removeAttribute("aria-current");
    }
    for (const listener of listeners) listener(key);
  }

  // Follows the address; says which trial it names, if any.
  function follow() {
    const trial = /^#trial-(\d+)$/.exec(location.hash);
    const key = trial ? "trial" : location.hash.slice(1);
    const known = panels.some((panel) => panel.dataset.key === key);
    const found = known ? key : open ?? panels[0].dataset.key;
    const top = document.querySelector("nav").offsetTop;
    const changed = open !== null && found !== open;
    if (changed && scrollY > top) scrollTo({ top, behavior: "instant" });
    show(found);
    // Whoever came by a link inside a tab is taken to the heading of the next one.
    if (changed && !document.activeElement?.closest("nav")) {
      const title = panels.find((panel) => panel.dataset.key === found).querySelector("h2");
      title.tabIndex = -1;
      title.focus({ preventScroll: true });
    }
    return trial ? Number(trial[1]) : null;
  }

  // An edge of the row fades where more of it lies beyond.
  const row = document.querySelector("nav .tabs");
  const fade = () => {
    row.classList.toggle("cut-left", row.scrollLeft > 1);
    row.classList.toggle("cut-right", row.scrollLeft + row.clientWidth < row.scrollWidth - 1);
  };
  row.addEventListener("scroll", fade, { passive: true });
  new ResizeObserver(fade).observe(row);

  addEventListener("beforeprint", () => document.body.classList.remove("tabbed"));
  addEventListener("afterprint", () => document.body.classList.add("tabbed"));
  follow(); // before the data and the charts are there, so that nothing moves when they come

  return { isOpen, follow, onShow: (listener) => listeners.push(listener) };
})();
