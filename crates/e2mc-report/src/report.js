// Values under the pointer, in every panel of a figure at once; arrow keys do the same.
// The page is complete without this script: titles then show where the browser shows them.
for (const figure of document.querySelectorAll('figure.chart')) {
  const panels = [...figure.querySelectorAll('.panel')].map((root) => {
    const hits = [...root.querySelectorAll('.hit')].map((element) => {
      const title = element.querySelector('title');
      const [at, ...values] = title.textContent.split('\n');
      title.remove();
      const picture = document.getElementById(element.dataset.picture ?? '');
      return { element, at, picture, values: values.map((text) => text.slice(text.lastIndexOf(': ') + 2)) };
    });
    const readout = root.querySelector('.readout');
    return { svg: root.querySelector(':scope > svg'), hits, readout, slots: root.dataset.slots.split(' '),
      rest: readout && [...readout.childNodes], shown: null };
  }).filter((panel) => panel.hits.length > 0);

  const rest = (panel) => {
    panel.shown?.element.classList.remove('on');
    panel.shown = null;
    panel.readout.replaceChildren(...panel.rest);
  };
  const show = (panel, hit) => {
    rest(panel);
    panel.shown = hit;
    hit.element.classList.add('on');
    const at = document.createElement('span');
    at.className = 'at';
    at.textContent = hit.at;
    const values = hit.values.map((text, i) => {
      const value = document.createElement('span');
      const slot = panel.slots[i];
      value.className = slot ? `value s${slot}` : 'value';
      if (slot) value.innerHTML = `<svg class="glyph" viewBox="-6 -6 12 12"><use href="#m${slot}" class="mark"/></svg>`;
      value.append(text);
      return value;
    });
    const shown = [at, ...values];
    if (hit.picture) {
      const box = document.createElement('span');
      box.innerHTML = `<svg class="shot" aria-hidden="true"><use href="#${hit.picture.id}"/></svg>`;
      shown.unshift(box);
    }
    panel.readout.replaceChildren(...shown);
  };
  const showAll = (at) => {
    for (const panel of panels) {
      const hit = panel.hits.find((other) => other.at === at);
      if (hit) show(panel, hit); else rest(panel);
    }
  };
  const restAll = () => panels.forEach(rest);

  for (const panel of panels) {
    const { svg, hits } = panel;
    const point = (event) => {
      const under = document.elementFromPoint(event.clientX, event.clientY);
      const hit = hits.find((other) => other.element === under);
      if (hit) showAll(hit.at); else restAll();
    };
    svg.addEventListener('pointermove', point);
    svg.addEventListener('pointerdown', point);
    // A lifted finger leaves its values to be read.
    svg.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') restAll(); });
    svg.addEventListener('blur', restAll);
    svg.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const next = panel.shown ? hits.indexOf(panel.shown) + step : (step > 0 ? 0 : hits.length - 1);
      showAll(hits[Math.max(0, Math.min(hits.length - 1, next))].at);
    });
    svg.setAttribute('tabindex', '0');
  }
}

// Paper cannot be unfolded.
addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('details')) details.open = true;
});
