"use strict";
// Before anything is drawn: the theme that the reader chose last; without one, the system's.
try {
  const theme = localStorage.getItem("study-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be closed to local files.
}
