'use strict';

// Copying to the clipboard and saving files, without any server.
(function (app) {
  /** Put a text on the clipboard; where the browser forbids it (a page from disk in some), by the older way. */
  app.copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = app.h('textarea', { class: 'unseen', 'aria-hidden': 'true', tabindex: -1 });
      area.value = text;
      const before = document.activeElement;
      document.body.append(area);
      area.select();
      const done = document.execCommand('copy');
      area.remove();
      if (before) before.focus({ preventScroll: true });
      return done;
    }
  };

  /** A button that copies what `text()` gives when it is pressed, and says so. */
  app.copier = (label, text) => {
    const button = app.button(
      label,
      async () => {
        const done = await app.copy(text());
        button.textContent = done ? 'Copied' : 'Not allowed here';
        app.say(done ? 'Copied' : 'The browser does not allow copying here');
        setTimeout(() => (button.textContent = label), 1600);
      },
      { class: 'copy' },
    );
    return button;
  };

  /** Save a text as a file. */
  app.save = (name, text, type = 'text/plain') => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    app.h('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };

  app.saver = (label, name, text, type) => app.button(label, () => app.save(name(), text(), type));
})(window.nasReport);
