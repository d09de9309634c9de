// An informer of the official JavaScript client behind a proxy that breaks its connections once.

import net from "node:net";
import { CoreV1Api, KubeConfig, makeInformer } from "@kubernetes/client-node";

const NS = "default";
const direct = new KubeConfig();
direct.loadFromDefault();
const server = new URL(direct.getCurrentCluster().server);

// A proxy that knows its sockets, so that it can break them and refuse new ones for a while.
const sockets = new Set();
let refusing = false;
const proxy = net.createServer((near) => {
  if (refusing) return near.destroy();
  const far = net.connect(Number(server.port), server.hostname);
  for (const [a, b] of [[near, far], [far, near]]) {
    sockets.add(a);
    a.pipe(b);
    a.on("error", () => b.destroy());
    a.on("close", () => { sockets.delete(a); b.destroy(); });
  }
});
await new Promise((done) => proxy.listen(0, "127.0.0.1", done));

const through = new KubeConfig();
const cluster = { ...direct.getCurrentCluster(), server: `https://127.0.0.1:${proxy.address().port}` };
through.loadFromClusterAndUser(cluster, direct.getCurrentUser());

const api = direct.makeApiClient(CoreV1Api);
const watched = through.makeApiClient(CoreV1Api);
const labelSelector = "set=js";
const create = (name) => api.createNamespacedConfigMap({
  namespace: NS, body: { metadata: { name, labels: { set: "js" } } },
});

// Waiting on what the informer tells, in any order.
const told = [];
const waiters = [];
const tell = (what) => {
  told.push(what);
  for (const waiter of [...waiters]) waiter();
};
const until = (test, about) => new Promise((done, fail) => {
  const late = setTimeout(() => fail(new Error(`never: ${about}; told ${told.join(", ")}`)), 60_000);
  const look = () => {
    if (!test()) return;
    clearTimeout(late);
    waiters.splice(waiters.indexOf(look), 1);
    done();
  };
  waiters.push(look);
  look();
});

const list = () => watched.listNamespacedConfigMap({ namespace: NS, labelSelector });
const informer = makeInformer(through, `/api/v1/namespaces/${NS}/configmaps`, list, labelSelector);
for (const event of ["add", "update", "delete"]) {
  informer.on(event, (o) => tell(`${event} ${o.metadata.name}`));
}
// As the client's own example does it: after an error start again.
informer.on("error", () => setTimeout(() => informer.start().catch(() => informer.emit?.("error")), 100));

await create("first");
await informer.start();
await until(() => told.includes("add first"), "the first object");
console.log("add first");
console.log("connected");
await create("second");
await until(() => told.includes("add second"), "the second object");
console.log("add second");
await api.replaceNamespacedConfigMap({
  namespace: NS, name: "first", body: { metadata: { name: "first", labels: { set: "js" } }, data: { k: "1" } },
});
await until(() => told.includes("update first"), "the change");
console.log("update first");

refusing = true;
for (const socket of sockets) socket.destroy();
console.log("broken");
await api.deleteNamespacedConfigMap({ namespace: NS, name: "first" });
await create("third");
refusing = false;
const has = (name) => informer.get(name, NS) !== undefined;
await until(() => told.includes("delete first") && told.includes("add third"), "what happened meanwhile");
console.log(`caught up: first ${has("first") ? "there" : "gone"}, third ${has("third") ? "there" : "gone"}`);
console.log("delete first");
process.exit(0);
