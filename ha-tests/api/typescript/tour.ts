// A tour of every operation of the REST interface with types that openapi-typescript generates, and openapi-fetch.
//
// Usage: node tour.js BASE_URL TOKEN OPENAPI_FILE
//
// The node at BASE_URL is the primary of a group without load; TOKEN has the scopes read, update and admin. The tour makes a list, a
// campaign and a group of its own. Ends with 1 where an answer is not the wanted one, or an operation was not visited.

import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schema = components["schemas"];

const RECORDS = 8;
const [base, token, description] = process.argv.slice(2);
if (!base || !token || !description) throw new Error("usage: tour.js BASE_URL TOKEN OPENAPI_FILE");

const visited = new Set<string>();
const client = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${token}` } });
client.use({
  onRequest({ schemaPath, request }) {
    visited.add(`${request.method} ${schemaPath}`);
  },
});

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

interface Answer<T> {
  data?: T;
  error?: Schema["Problem"];
  response: Response;
}

/** The content of an answer with the wanted status. */
async function good<T>(asked: Promise<Answer<T>>, status = 200): Promise<{ data: T; response: Response }> {
  const { data, error, response } = await asked;
  check(response.status === status, `${response.url}: ${response.status} and not ${status}: ${JSON.stringify(error ?? data)}`);
  return { data: data as T, response };
}

/** The code of a refusal with the wanted status. */
async function refused(asked: Promise<Answer<unknown>>, status: number): Promise<string> {
  const { error, response } = await asked;
  check(response.status === status && error !== undefined, `${response.url}: ${response.status} and not ${status}`);
  check(response.headers.get("content-type") === "application/problem+json", `${response.url} is no problem`);
  return error.code;
}

/** A number that no other tour has. */
const unique = () => `${process.hrtime.bigint() % 10_000_000n}`.padStart(7, "0");

async function lists(name: string): Promise<void> {
  const fields = [{ name: "AGE", type: "int", default: "0" }];
  const made = await good(client.POST("/api/v1/lists", { body: { name, attempts_max: 3, fields } }), 201);
  check(made.response.headers.get("location") === `/api/v1/lists/${name}`, "a list has its Location");
  check((await refused(client.POST("/api/v1/lists", { body: { name } }), 409)) === "CONFLICT", "a list is made once");
  const of = { params: { path: { list: name } } };
  await good(client.PATCH("/api/v1/lists/{list}", { ...of, body: { attempts_max: 5 } }));
  const { data } = await good(client.GET("/api/v1/lists/{list}", of));
  check(data.attempts_max === 5 && data.fields?.[0]?.name === "AGE", `the list is ${JSON.stringify(data)}`);
  const none = client.GET("/api/v1/lists/{list}", { params: { path: { list: `${name}-none` } } });
  check((await refused(none, 404)) === "LIST_NOT_FOUND", "an unknown list is told");
  const page = await good(client.GET("/api/v1/lists", { params: { query: { limit: 1 } } }));
  check(page.data.items.length === 1, "a page has its limit");
}

async function records(list: string): Promise<void> {
  const handles: number[] = [];
  let phone = "";
  for (let number = 0; number < RECORDS; number++) {
    phone = `+99966${unique()}${number}`;
    const added = client.POST("/api/v1/lists/{list}/records", {
      params: { path: { list }, header: { "Idempotency-Key": `tour-${phone}` } },
      body: { GSW_PHONE: phone, AGE: number },
    });
    handles.push(Number((await good(added, 201)).data.GSW_RECORD_HANDLE));
  }
  const paged: number[] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? { limit: 3 } : { limit: 3, cursor };
    const page = await good(client.GET("/api/v1/lists/{list}/records", { params: { path: { list }, query } }));
    paged.push(...page.data.items.map((record) => Number(record.GSW_RECORD_HANDLE)));
    cursor = page.data.next;
  } while (cursor !== undefined);
  check(paged.join() === [...handles].sort((a, b) => a - b).join(), `${paged} are not ${handles}`);
  const by = { params: { path: { list }, query: { phone, status: "Ready" } } };
  const found = await good(client.GET("/api/v1/lists/{list}/records", by));
  check(found.data.items.length === 1, "a phone is found in a query, its plus with it");

  const last = { path: { list, record_id: RECORDS } };
  const { response } = await good(client.GET("/api/v1/lists/{list}/records/{record_id}", { params: last }));
  const tag = response.headers.get("etag") ?? "";
  const handle = handles[RECORDS - 1] ?? 0;
  const ofHandle = await good(client.GET("/api/v1/records/{handle}", { params: { path: { handle } } }));
  check(tag !== "" && ofHandle.response.headers.get("etag") === tag, "a record has the same ETag by both names");
  const patch = "/api/v1/lists/{list}/records/{record_id}";
  const changed = await good(client.PATCH(patch, { params: { ...last, header: { "If-Match": tag } }, body: { AGE: 7 } }));
  const stale = client.PATCH("/api/v1/records/{handle}", {
    params: { path: { handle }, header: { "If-Match": tag } },
    body: { AGE: 8 },
  });
  check((await refused(stale, 412)) === "PRECONDITION_FAILED", "a stale ETag is told");
  const header = { "If-Match": changed.response.headers.get("etag") ?? "" };
  await good(client.PATCH("/api/v1/records/{handle}", { params: { path: { handle }, header }, body: { AGE: 9 } }));

  const later = { GSW_DATE_TIME: "12/31/2099 10:00" };
  const result = { GSW_CALL_RESULT: "Answer" };
  const byId = (record_id: number) => ({ params: { path: { list, record_id } } });
  const byHandle = (at: number) => ({ params: { path: { handle: handles[at] ?? 0 } } });
  await good(client.POST("/api/v1/lists/{list}/records/{record_id}/reschedule", { ...byId(1), body: later }));
  await good(client.POST("/api/v1/records/{handle}/reschedule", { ...byHandle(1), body: later }));
  await good(client.POST("/api/v1/lists/{list}/records/{record_id}/cancel", byId(1)));
  await good(client.POST("/api/v1/records/{handle}/cancel", byHandle(1)));
  await good(client.POST("/api/v1/lists/{list}/records/{record_id}/processed", { ...byId(3), body: result }));
  await good(client.POST("/api/v1/records/{handle}/processed", { ...byHandle(3), body: result }));
  await good(client.POST("/api/v1/lists/{list}/records/{record_id}/do-not-call", byId(5)));
  await good(client.POST("/api/v1/records/{handle}/do-not-call", byHandle(5)));
}

async function campaigns(name: string): Promise<void> {
  const declared = (weight: number) => ({ name, lists: [{ list: name, weight }] });
  await good(client.POST("/api/v1/campaigns", { body: declared(10) }), 201);
  const of = { params: { path: { campaign: name } } };
  await good(client.PATCH("/api/v1/campaigns/{campaign}", { ...of, body: declared(5) }));
  const shown = await good(client.GET("/api/v1/campaigns/{campaign}", of));
  check(shown.data.lists?.[0]?.weight === 5, "a campaign has its lists");
  check((await good(client.GET("/api/v1/campaigns"))).data.items.length > 0, "there are campaigns");
  await good(client.POST("/api/v1/campaign-groups", { body: { campaign: name, group: "Agents" } }), 201);
  const group = { params: { path: { id: `${name}@Agents` } } };
  await good(client.POST("/api/v1/campaign-groups/{id}/load", group));
  await good(client.POST("/api/v1/campaign-groups/{id}/start", group));
  const { data } = await good(client.GET("/api/v1/campaign-groups/{id}", group));
  check(data.state === "Running", `the group is ${data.state}`);
  const preview = { ...group, body: { GSW_AGENT_ID: "tour" } };
  await good(client.POST("/api/v1/campaign-groups/{id}/preview", preview));
  await good(client.POST("/api/v1/campaign-groups/{id}/stop", group));
  await good(client.POST("/api/v1/campaign-groups/{id}/unload", group));
  check((await good(client.GET("/api/v1/campaign-groups"))).data.items.length > 0, "there are groups");
}

async function doNotCall(): Promise<void> {
  const phone = `+99967${unique()}`;
  await good(client.POST("/api/v1/do-not-call", { body: { GSW_PHONE: phone } }));
  const by = { params: { query: { phone } } };
  check((await good(client.GET("/api/v1/do-not-call", by))).data.items.length === 1, "an entry is found");
  await good(client.DELETE("/api/v1/do-not-call", by), 204);
  check((await refused(client.DELETE("/api/v1/do-not-call", by), 404)) === "PHONE_NOT_FOUND", "an entry goes once");
  const entries = [{ GSW_PHONE: `${phone}1` }, { GSW_PHONE: "none" }];
  const outcome = await good(client.POST("/api/v1/do-not-call/batch", { body: { entries } }));
  check(outcome.data.entered === 1, "a batch tells its outcome");
}

async function operators(): Promise<void> {
  const { data } = await good(client.GET("/api/v1/cluster"));
  check(data.role === "primary", `the node is ${data.role}`);
  await good(client.GET("/api/v1/history"));
  check(((await good(client.GET("/api/v1/switchover"))).data.candidates ?? []).length > 0, "a plan has candidates");
  const planned = await good(client.POST("/api/v1/switchover", { params: { query: { dry_run: true } } }));
  check(!planned.data.done, "a dry run changes nothing");
  check((await refused(client.DELETE("/api/v1/switchover"), 404)) === "BAD_RESOURCE", "nothing is scheduled");
  await good(client.POST("/api/v1/pause"));
  await good(client.POST("/api/v1/resume"));
  await good(client.GET("/api/v1/backups"));
  check((await refused(client.POST("/api/v1/backups"), 409)) === "CONFLICT", "a node without a directory makes no backup");
  const day = await good(client.GET("/api/v1/series", { params: { query: { range: "day" } } }));
  check(day.data.step_s === 120 && day.data.series.updates?.length === 720, "a day has its values");
  const audit = await good(client.GET("/api/v1/audit", { params: { query: { limit: 5 } } }));
  check(audit.data.items.length > 0, "the audit has rows");
}

/** Questions that the tour does not know are asked as they stand; other operations must have been visited. */
async function rest(): Promise<void> {
  const document = JSON.parse(readFileSync(description as string, "utf8")) as { paths: Record<string, object> };
  const missing: string[] = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of Object.keys(item).map((name) => name.toUpperCase())) {
      const name = `${method} ${path}`;
      if (visited.has(name)) continue;
      if (method === "GET" && !path.includes("{")) {
        const answer = await fetch(`${base}${path}`, { headers: { Authorization: `Bearer ${token}` } });
        check(answer.status === 200, `${name}: ${answer.status}`);
      } else {
        missing.push(name);
      }
    }
  }
  check(missing.length === 0, `operations without a visit: ${missing.join(", ")}`);
}

const name = `typescript${Date.now()}${unique()}`;
await lists(name);
await records(name);
await campaigns(name);
await doNotCall();
await operators();
await rest();
console.log(`typescript: ${visited.size} operations visited`);
