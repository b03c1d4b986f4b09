(function () {
  "use strict";
  var root = document.documentElement;
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var printing = false;
  var chosen = {};

  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }

  function template() {
    var night = dark.matches && !printing;
    var ink = night ? "#e7ebf0" : "#1a232e";
    var grid = night ? "#2d3640" : "#e3e8ed";
    var axis = { gridcolor: grid, linecolor: grid, zerolinecolor: night ? "#66727e" : "#9aa5b0", tickcolor: grid };
    return { layout: {
      font: { family: getComputedStyle(document.body).fontFamily, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis, yaxis: axis,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: night ? "#66727e" : "#9aa5b0", activecolor: ink },
      hoverlabel: { bgcolor: night ? "#1a2129" : "#ffffff", bordercolor: grid, font: { color: ink } }
    } };
  }

  function figureOf(node) {
    var group = node.dataset.group;
    if (!group) { return figures.single[node.dataset.figure]; }
    var choice = figures[group] && figures[group][chosen[group]];
    return choice && choice[node.dataset.figure];
  }

  function draw(node) {
    var figure = figureOf(node);
    if (!figure || !window.Plotly) { return; }
    var layout = JSON.parse(JSON.stringify(figure.layout));
    layout.template = template();
    layout.width = node.clientWidth;
    layout.font = { size: node.clientWidth < 520 ? 11 : 13 };
    node.style.minHeight = layout.height ? layout.height + "px" : "";
    window.Plotly.react(node, JSON.parse(JSON.stringify(figure.data)), layout, {
      displaylogo: false, plotlyServerURL: "", topojsonURL: "none:",
      modeBarButtons: [["toImage"]], toImageButtonOptions: { format: "svg", filename: "chipwise-" + node.dataset.figure }
    });
  }

  function drawAll() { all("[data-figure]").forEach(draw); }

  function choose(group, value) {
    chosen[group] = value;
    all('[data-panel="' + group + '"]').forEach(function (panel) { panel.hidden = panel.dataset.choice !== value; });
    all('select[data-selects="' + group + '"]').forEach(function (select) { select.value = value; });
    all('[data-figure][data-group="' + group + '"]').forEach(draw);
  }

  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var node = target; node; node = node.parentElement) { if (node.tagName === "DETAILS") { node.open = true; } }
    if (target) { target.scrollIntoView(); }
  }

  all("details[data-fold]").forEach(function (entry) { entry.open = false; });
  all("select[data-selects]").forEach(function (select) {
    var group = select.dataset.selects;
    if (chosen[group] === undefined) { choose(group, select.value); }
    select.addEventListener("change", function () { choose(group, select.value); });
  });
  all("[data-pick]").forEach(function (link) {
    link.addEventListener("click", function () { choose("branch", link.dataset.pick); });
  });
  drawAll();
  reveal();
  window.addEventListener("hashchange", reveal);
  dark.addEventListener("change", drawAll);
  function print(on) {
    printing = on;
    root.classList.toggle("printing", on);
    drawAll();
  }
  window.addEventListener("beforeprint", function () { print(true); });
  window.addEventListener("afterprint", function () { print(false); });
  var waiting = 0;
  var width = window.innerWidth;
  window.addEventListener("resize", function () {
    if (window.innerWidth === width) { return; }
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  root.classList.add("drawn");
})();
