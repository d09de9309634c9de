// Sets the remembered theme before the first paint. A file of its own because the page allows no inline script.
try {
  const theme = localStorage.getItem("glasshouse.theme");
  if (theme === "day" || theme === "dusk") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off: the system's theme stays.
}
