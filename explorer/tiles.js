// Draws tiles with the DOM's own methods; names are set as text, never as markup.
let loading = false;

// Loads parts of the page that later pages need, one after the other, while nothing else is to be done.
function loadLater(paths) {
  if (loading) return;
  loading = true;
  const idle = window.requestIdleCallback || ((act) => setTimeout(act, 200));
  const next = () => {
    const path = paths.shift();
    if (path) idle(() => import(new URL(path, window.location.origin).href).then(next, next));
  };
  setTimeout(next, 1000);
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  loadLater([...(data.later || [])]);
  let grid = parentElement.querySelector(".tiles");
  if (!grid) {
    grid = document.createElement("div");
    grid.className = "tiles";
    parentElement.appendChild(grid);
  }
  grid.style.setProperty("--edge", `${Number(data.edge) || 118}px`);
  const pick = (id) => setTriggerValue("picked", id);
  grid.replaceChildren(
    ...data.tiles.map((tile) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = `tile ${tile.kind === "fake" ? "fake" : "real"}`;
      button.dataset.id = tile.id;
      if (tile.src.startsWith("data:image/jpeg;base64,")) {
        const image = document.createElement("img");
        image.src = tile.src;
        image.alt = tile.alt;
        image.decoding = "async";
        button.appendChild(image);
      } else {
        const none = document.createElement("span");
        none.className = "none";
        none.textContent = tile.hidden || "no thumbnail yet";
        button.appendChild(none);
      }
      for (const part of ["name", "note"]) {
        if (tile[part]) {
          const line = document.createElement("span");
          line.className = part;
          line.textContent = tile[part];
          line.title = tile[part];
          line.dir = "auto";
          button.appendChild(line);
        }
      }
      button.setAttribute("aria-label", [tile.alt, tile.note].filter(Boolean).join(", "));
      button.addEventListener("click", () => pick(tile.id));
      return button;
    }),
  );
}
