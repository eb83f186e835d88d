'use strict';

// On paper: light, every chart drawn, and as wide as a sheet, which nothing tells plotly of.
(function (app) {
  const SHEET = 680;

  const width = (size) => {
    for (const plot of document.querySelectorAll('.plot.js-plotly-plot')) Plotly.relayout(plot, { width: size, autosize: size === null });
  };

  addEventListener('beforeprint', () => {
    app.showTheme('light');
    app.drawAll();
    width(SHEET);
  });

  addEventListener('afterprint', () => {
    app.showTheme();
    width(null);
  });
})(window.nasReport);
