// Keeps the lesson for when there is no network. (`export` writes the version and the files.)

const CACHE = "evenbatch-lesson-VERSION";
const FILES = [];

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES);
  await skipWaiting();
}

async function forgetOlder() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("evenbatch-lesson-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

async function answer(request) {
  return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(forgetOlder()));
addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});
