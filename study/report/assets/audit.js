"use strict";
(() => {
  const redraw = () => {
    for (const [name, figure] of Object.entries(page.data.figures)) {
      page.draw(document.getElementById(`${name}-chart`), page.themed(figure));
    }
  };
  page.onTheme(redraw);
  redraw();
})();
