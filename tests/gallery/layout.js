// Finds texts and controls that cannot be read or reached in the current layout: they are cut by an element that hides
// its overflow, lie outside the window, or overlap. Content that is truncated on purpose, and available in full
// elsewhere, is inside an element with the attribute data-may-be-cut.

const TOLERANCE = 1.5;
const findings = [];
const styles = new Map();
const style = (element) => {
  if (!styles.has(element)) styles.set(element, getComputedStyle(element));
  return styles.get(element);
};

function describe(element) {
  const names = [];
  for (let at = element; at && at !== document.body && names.length < 3; at = at.parentElement) {
    const own = [...at.classList].filter((name) => !name.startsWith('svelte-'));
    const role = at.getAttribute('role');
    names.unshift([at.localName, ...own.map((name) => `.${name}`), role ? `[role=${role}]` : ''].join(''));
  }
  return names.join(' > ');
}

const shorten = (text) => {
  const plain = text.replace(/\s+/g, ' ').trim();
  return plain.length > 60 ? `${plain.slice(0, 60)}…` : plain;
};

function report(what, element, text) {
  findings.push(`${what}: ${describe(element)} “${shorten(text)}”`);
}

// Returns whether an element is visible to screen readers only, or not at all.
const isHidden = (element) =>
  element.closest('.sr-only, [inert]') !== null ||
  style(element).clipPath === 'inset(50%)' ||
  !element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

const hides = (overflow) => overflow === 'hidden' || overflow === 'clip';
const scrolls = (overflow) => overflow === 'auto' || overflow === 'scroll';

// Yields the elements that clip an element (or its content, if `inside` is true), from the inside out.
function* boundsOf(element, inside) {
  let { position } = style(element);
  for (let at = inside ? element : element.parentElement; at; at = at.parentElement) {
    const own = style(at);
    const holdsFixed = own.transform !== 'none' || own.filter !== 'none' || own.contain.includes('layout');
    if (at !== element) {
      if (position === 'fixed' && !holdsFixed) continue;
      if (position === 'absolute' && own.position === 'static' && !holdsFixed) continue;
      ({ position } = own);
    }
    if (own.clipPath === 'inset(50%)') yield { at, isForReaders: true };
    // The overflow properties have no effect on an inline element.
    if (own.display === 'inline') continue;
    if (own.overflowX !== 'visible' || own.overflowY !== 'visible') yield { at, own };
  }
}

const innerBox = (element) => {
  const box = element.getBoundingClientRect();
  const left = box.left + element.clientLeft;
  const top = box.top + element.clientTop;
  return { left, top, right: left + element.clientWidth, bottom: top + element.clientHeight };
};

const cross = (a, b) => ({
  left: Math.max(a.left, b.left),
  top: Math.max(a.top, b.top),
  right: Math.min(a.right, b.right),
  bottom: Math.min(a.bottom, b.bottom),
});

// Returns the visible part of an element's box, and reports a part that can never become visible.
function seenPart(element, box, text, inside) {
  let seen = { left: box.left, top: box.top, right: box.right, bottom: box.bottom };
  let canScrollDown = false;
  for (const { at, own, isForReaders } of boundsOf(element, inside)) {
    if (isForReaders) return null;
    const inner = innerBox(at);
    const mayBeCut = element.closest('[data-may-be-cut]') !== null;
    const cutX = seen.left < inner.left - TOLERANCE || seen.right > inner.right + TOLERANCE;
    const cutY = seen.top < inner.top - TOLERANCE || seen.bottom > inner.bottom + TOLERANCE;
    if (((hides(own.overflowX) && cutX) || (hides(own.overflowY) && cutY)) && !mayBeCut) {
      report(`cut by ${describe(at)}`, element, text);
      return null;
    }
    if (scrolls(own.overflowX) && seen.left + at.scrollLeft < inner.left - TOLERANCE) {
      report(`left of the scrollable area of ${describe(at)}`, element, text);
    }
    if (scrolls(own.overflowY) && seen.top + at.scrollTop < inner.top - TOLERANCE) {
      report(`above the scrollable area of ${describe(at)}`, element, text);
    }
    canScrollDown ||= scrolls(own.overflowY) && at.scrollHeight > at.clientHeight;
    seen = cross(seen, inner);
    if (seen.right <= seen.left || seen.bottom <= seen.top) return null;
  }
  const isOutside =
    seen.left < -TOLERANCE || seen.right > innerWidth + TOLERANCE || seen.top < -TOLERANCE || seen.bottom > innerHeight + TOLERANCE;
  if (isOutside && !canScrollDown) report('outside the window', element, text);
  return seen;
}

// Returns the layer of an element. Layers cover the page on purpose, so texts are compared only within the same layer.
function layerOf(element) {
  for (let at = element; at; at = at.parentElement) {
    if (['fixed', 'sticky'].includes(style(at).position) || at.matches('[role=dialog], [role=alertdialog], [role=menu]')) {
      return at;
    }
  }
  return document.body;
}

const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  const element = node.parentElement;
  if (!node.data.trim() || ['script', 'style'].includes(element.localName) || isHidden(element)) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.width < 1 || box.height < 1) continue;
    const known = findings.length;
    const seen = seenPart(element, box, node.data, true);
    // Letters are not as high as their line.
    const inset = box.height / 5;
    if (seen) {
      const letters = { ...seen, top: Math.max(seen.top, box.top + inset), bottom: Math.min(seen.bottom, box.bottom - inset) };
      texts.push({ element, node, letters, layer: layerOf(element) });
    }
    if (findings.length > known) break;
  }
}

// Measures the placeholder itself, because WebKit does not include it in the scroll size of a field.
function placeholderFits(field) {
  const own = style(field);
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = own.font;
  const measure = (text) => pen.measureText(text).width + text.length * (parseFloat(own.letterSpacing) || 0);
  const width = field.clientWidth - parseFloat(own.paddingLeft) - parseFloat(own.paddingRight);
  if (field.localName === 'input') return measure(field.placeholder) <= width + TOLERANCE;
  let lines = 0;
  for (const paragraph of field.placeholder.split('\n')) {
    let line = '';
    lines += 1;
    for (const word of paragraph.split(' ')) {
      const longer = line ? `${line} ${word}` : word;
      if (line && measure(longer) > width) lines += 1;
      line = line && measure(longer) > width ? word : longer;
    }
  }
  const height = field.clientHeight - parseFloat(own.paddingTop) - parseFloat(own.paddingBottom);
  return lines * parseFloat(own.lineHeight) <= height + TOLERANCE;
}

for (const element of document.querySelectorAll('button, input, select, textarea, a, [role=menuitem], [role=tab]')) {
  if (isHidden(element) || element.type === 'file') continue;
  seenPart(element, element.getBoundingClientRect(), element.ariaLabel ?? element.innerText ?? '', false);
  if (element.placeholder && !element.value && !placeholderFits(element)) {
    report('placeholder does not fit', element, element.placeholder);
  }
}

// Only names and machine-generated texts may be broken within a word.
for (const { element, node } of new Map(texts.map((text) => [text.node, text])).values()) {
  if (element.closest('[dir=auto], .mono, code, pre, [data-may-be-cut]')) continue;
  for (const { 0: word, index } of node.data.matchAll(/[\p{L}\p{M}]{2,}/gu)) {
    // Names of variables count as machine-generated, too.
    if (word.length > 24 || node.data[index - 1] === '_' || node.data[index + word.length] === '_') continue;
    const range = document.createRange();
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const lines = new Set([...range.getClientRects()].filter(({ width }) => width > 0).map(({ top }) => Math.round(top)));
    if (lines.size > 1) report(`breaks the word “${word}”`, element, node.data);
  }
}

const seenPairs = new Set();
texts.forEach((one, index) => {
  for (const other of texts.slice(index + 1)) {
    if (one.node === other.node || one.layer !== other.layer) continue;
    const shared = cross(one.letters, other.letters);
    if (shared.right - shared.left > 2 && shared.bottom - shared.top > 2) {
      const pair = `overlaps “${shorten(other.node.data)}”`;
      const key = `${pair} ${one.node.data}`;
      if (!seenPairs.has(key)) report(pair, one.element, one.node.data);
      seenPairs.add(key);
    }
  }
});

for (const element of document.querySelectorAll('body *')) {
  const own = style(element);
  if (isHidden(element) || element.closest('[data-may-be-cut]') || ['input', 'textarea'].includes(element.localName)) continue;
  const text = element.innerText ?? '';
  if (!text.trim()) continue;
  const tooWide = element.scrollWidth > element.clientWidth + 1;
  const tooHigh = element.scrollHeight > element.clientHeight + 1;
  if (own.display !== 'inline' && ((hides(own.overflowX) && tooWide) || (hides(own.overflowY) && tooHigh))) {
    report('does not fit', element, text);
  }
  // An element that scrolls horizontally must at least be scrollable with the keyboard.
  if (scrolls(own.overflowX) && tooWide && element.tabIndex < 0) report('scrolls sideways', element, text);
}

return [...new Set(findings)];
