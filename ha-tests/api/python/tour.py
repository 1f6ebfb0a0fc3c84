"""A tour of every operation of the REST interface with the client that openapi-python-client generates.

Usage: tour.py GENERATED_DIRECTORY BASE_URL TOKEN OPENAPI_FILE

The node at BASE_URL is the primary of a group without load; TOKEN has the scopes read, update and admin. The tour makes a list,
a campaign and a group of its own, so that several tours fit into one group. Ends with 1 where an answer is not the wanted one, does
not fit its class, or an operation of the description was not visited.
"""

import importlib
import json
import pkgutil
import re
import sys
import time

RECORDS = 8


def snake(operation):
    """The name that the generator gives to an operation."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", operation).lower()


class Tour:
    """The generated client, and the operations that it has visited."""

    def __init__(self, base, token, document):
        package = importlib.import_module("ocs_api.api")
        self.models = importlib.import_module("ocs_api.models")
        self.client = importlib.import_module("ocs_api.client").AuthenticatedClient(base_url=base, token=token, timeout=30.0)
        self.modules = {}
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not found.ispkg:
                self.modules[found.name.rsplit(".", 1)[1]] = found.name
        self.operations = {
            operation["operationId"]: (method, path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if "operationId" in operation
        }
        self.visited = set()

    def body(self, model, members):
        """An object of a generated class."""
        return getattr(self.models, model).from_dict(members)

    def call(self, operation, status, /, *names, **arguments):
        """Calls an operation, and checks status and class of the answer."""
        module = importlib.import_module(self.modules[snake(operation)])
        answer = module.sync_detailed(*names, client=self.client, **arguments)
        self.visited.add(operation)
        text = answer.content.decode()
        assert answer.status_code == status, f"{operation}: {int(answer.status_code)} and not {status}: {text}"
        if status != 204:
            is_problem = isinstance(answer.parsed, self.models.Problem)
            assert is_problem == (status >= 400), f"{operation}: {type(answer.parsed).__name__}: {text}"
            assert answer.parsed.to_dict() == json.loads(text), f"{operation}: the class loses members: {text}"
        return answer

    def finish(self):
        """Calls questions that the tour does not know, and names all other operations that were not visited."""
        for operation in sorted(set(self.operations) - self.visited):
            method, path, _ = self.operations[operation]
            if method == "get" and "{" not in path:
                self.call(operation, 200)
        missing = sorted(set(self.operations) - self.visited)
        assert not missing, f"operations without a visit: {', '.join(missing)}"
        return len(self.visited)


def lists(tour, name):
    """Makes a list, shows and changes it."""
    declared = {"name": name, "attempts_max": 3, "fields": [{"name": "AGE", "type": "int", "default": "0"}]}
    made = tour.call("makeList", 201, body=tour.body("ListDeclaration", declared))
    assert made.headers["location"] == f"/api/v1/lists/{name}", made.headers
    assert tour.call("makeList", 409, body=tour.body("ListDeclaration", {"name": name})).parsed.code == "CONFLICT"
    assert tour.call("getList", 200, name).parsed.attempts_max == 3
    tour.call("changeList", 200, name, body=tour.body("ListDeclaration", {"attempts_max": 5}))
    shown = tour.call("getList", 200, name).parsed
    assert (shown.attempts_max, shown.fields[0].name) == (5, "AGE"), shown
    assert tour.call("getList", 404, name + "-none").parsed.code == "LIST_NOT_FOUND"
    assert tour.call("listLists", 200, limit=1).parsed.items


def records(tour, name):
    """Adds records, pages through them, and uses every request by both names of a record."""
    handles = []
    for number in range(RECORDS):
        phone = f"+99964{time.time_ns() % 10**6:06d}{number}"
        added = tour.call("addRecord", 201, name, body=tour.body("Record", {"GSW_PHONE": phone, "AGE": number}))
        handles.append(added.parsed.gsw_record_handle)
        assert added.headers["location"] == f"/api/v1/records/{handles[-1]}"
    page = tour.call("listRecords", 200, name, limit=RECORDS - 1).parsed
    rest = tour.call("listRecords", 200, name, limit=RECORDS, cursor=page.next_).parsed
    paged = [record.gsw_record_handle for record in page.items + rest.items]
    assert sorted(paged) == sorted(handles) and not rest.next_, (paged, handles)
    found = tour.call("listRecords", 200, name, phone=phone, status="Ready").parsed.items
    assert [record.gsw_record_handle for record in found] == handles[-1:], found
    assert tour.call("listRecords", 400, name, cursor="AAAA").parsed.code == "BAD_VALUE"

    by_id = tour.call("getRecordOfList", 200, name, RECORDS)
    by_handle = tour.call("getRecord", 200, handles[-1])
    tag = by_id.headers["etag"]
    assert tag == by_handle.headers["etag"] and by_id.parsed.record_id == RECORDS
    patched = tour.call("patchRecordOfList", 200, name, RECORDS, if_match=tag, body=tour.body("Record", {"AGE": 7}))
    stale = tour.call("patchRecord", 412, handles[-1], if_match=tag, body=tour.body("Record", {"AGE": 8}))
    assert stale.parsed.code == "PRECONDITION_FAILED"
    tour.call("patchRecord", 200, handles[-1], if_match=patched.headers["etag"], body=tour.body("Record", {"AGE": 9}))
    assert tour.call("getRecord", 200, handles[-1]).parsed["AGE"] == 9

    later = tour.body("Record", {"GSW_DATE_TIME": "12/31/2099 10:00"})
    result = tour.body("Record", {"GSW_CALL_RESULT": "Answer"})
    tour.call("rescheduleRecordOfList", 200, name, 1, body=later)
    tour.call("rescheduleRecord", 200, handles[1], body=later)
    tour.call("cancelRecordOfList", 200, name, 1)
    tour.call("cancelRecord", 200, handles[1])
    tour.call("processRecordOfList", 200, name, 3, body=result)
    tour.call("processRecord", 200, handles[3], body=result)
    tour.call("stopRecordOfList", 200, name, 5)
    tour.call("stopRecord", 200, handles[5])
    # another key: the same request would be answered as its repeat
    again = tour.call("cancelRecord", 404, handles[1], idempotency_key="another request")
    assert again.parsed.code == "RECORD_FINALISED"


def campaigns(tour, name):
    """Makes a campaign and a group, and leads the group through its states."""
    members = {"name": name, "lists": [{"list": name, "weight": 10}]}
    tour.call("makeCampaign", 201, body=tour.body("Campaign", members))
    tour.call("changeCampaign", 200, name, body=tour.body("Campaign", {"name": name, "lists": [{"list": name, "weight": 5}]}))
    assert tour.call("getCampaign", 200, name).parsed.lists[0].weight == 5
    assert tour.call("listCampaigns", 200).parsed.items
    group = f"{name}@Agents"
    tour.call("makeGroup", 201, body=tour.body("CampaignGroupDeclaration", {"campaign": name, "group": "Agents"}))
    tour.call("loadGroup", 200, group)
    tour.call("startGroup", 200, group)
    assert tour.call("getGroup", 200, group).parsed.state == "Running"
    tour.call("previewGroup", 200, group, body=tour.body("Record", {"GSW_AGENT_ID": "tour"}))
    tour.call("stopGroup", 200, group)
    tour.call("unloadGroup", 200, group)
    assert tour.call("listGroups", 200).parsed.items


def do_not_call(tour):
    """Enters phones, and takes an entry back."""
    phone = f"+99965{time.time_ns() % 10**7:07d}"
    tour.call("enterDoNotCall", 200, body=tour.body("DoNotCallEntry", {"GSW_PHONE": phone}))
    assert len(tour.call("getDoNotCall", 200, phone=phone).parsed.items) == 1
    tour.call("removeDoNotCall", 204, phone=phone)
    assert tour.call("removeDoNotCall", 404, phone=phone).parsed.code == "PHONE_NOT_FOUND"
    entries = {"entries": [{"GSW_PHONE": phone + "1"}, {"GSW_PHONE": "none"}]}
    outcome = tour.call("enterDoNotCallBatch", 200, body=tour.body("DoNotCallBatch", entries)).parsed
    assert (outcome.entered, len(outcome["rejected"])) == (1, 1), outcome


def operators(tour):
    """The operators' questions and orders; the switchover is planned alone."""
    assert tour.call("getCluster", 200).parsed.role == "primary"
    assert tour.call("getHistory", 200).parsed.items
    assert tour.call("planSwitchover", 200).parsed.candidates
    assert not tour.call("switchOver", 200, dry_run=True).parsed.done
    assert tour.call("cancelSwitchover", 404).parsed.code == "BAD_RESOURCE"
    assert tour.call("pauseFailover", 200).parsed.done
    assert tour.call("getCluster", 200).parsed.failover_paused
    tour.call("resumeFailover", 200)
    tour.call("getBackups", 200)
    assert tour.call("makeBackup", 409).parsed.code == "CONFLICT"
    hour = tour.call("getSeries", 200, names="updates,lag_entries").parsed
    assert (hour.step_s, hour.from_s % 10) == (10, 0), hour
    assert {name: len(values) for name, values in hour.series.to_dict().items()} == {"updates": 360, "lag_entries": 360}, hour
    assert tour.call("getSeries", 400, names="sales").parsed.code == "BAD_VALUE"
    page = tour.call("getAudit", 200, what="Pause", limit=5).parsed
    assert any(row.what == "Pause" for row in page.items) or page.next_, page


def main():
    generated, base, token, description = sys.argv[1:]
    sys.path.insert(0, generated)
    with open(description, encoding="utf-8") as file:
        tour = Tour(base, token, json.load(file))
    name = f"python{time.time_ns()}"
    lists(tour, name)
    records(tour, name)
    campaigns(tour, name)
    do_not_call(tour)
    operators(tour)
    print(f"python: {tour.finish()} operations visited")


if __name__ == "__main__":
    main()
