"use strict";
(() => {
  const redraw = () => {
    for (const place of document.querySelectorAll("[data-figure]")) {
      page.draw(place, page.themed(page.data.figures[place.dataset.figure]));
    }
  };
  page.onTheme(redraw);
  redraw();
})();
