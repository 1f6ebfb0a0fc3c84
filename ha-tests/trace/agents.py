#!/usr/bin/env python3
"""Agents work the campaign off by preview: each fetches a record, reports the call that the file says, and reschedules the record
if the file has further calls for it.

usage: agents.py GROUP EXPORT.csv REQUESTS.jsonl AGENTS

EXPORT.csv has the columns `record_id` and `handle`; OCS_PROXIES names the HTTP Proxies, separated by commas. A call is one
UpdateCallCompletionStats of the file; DoNotCall is a call of its own. Every request has an Idempotency-Key and is sent again until its
answer stands. Exit 1 if a request is refused, or a record is handed out for which the file has no call left.
"""
import collections
import csv
import json
import pathlib
import sys
import threading
import time
import uuid

sys.dont_write_bytecode = True  # the client lies among the documents
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs" / "http"))
from ocs_client import Ocs, Refused  # noqa: E402

# Pause of an agent that finds no record.
PAUSE_S = 0.05
# Time without a record after which the campaign counts as stuck.
STUCK_S = 120


class Campaign:
    """The calls that the file has for each record."""

    def __init__(self, export_path, requests_path):
        with open(export_path, newline="") as export:
            self.record_ids = {int(row["handle"]): int(row["record_id"]) for row in csv.DictReader(export)}
        self.steps = collections.defaultdict(collections.deque)
        with open(requests_path) as trace:
            for line in trace:
                request = json.loads(line)
                self.steps[request["record_id"]].append((request["req"], request["body"]))
        self.lock = threading.Lock()
        self.left = len(self.steps)
        self.calls = 0
        self.faults = []

    def finished(self):
        with self.lock:
            self.left -= 1

    def called(self):
        with self.lock:
            self.calls += 1

    def failed(self, why):
        with self.lock:
            self.faults.append(why)


def reschedule(ocs, handle, guid):
    """To now; the minute may end while the request waits for a primary, and then the time is past."""
    while True:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            return ocs.reschedule(handle, {"GSW_DATE_TIME": now, "GSW_CALL_ATTEMPT_GUID": guid})
        except Refused as refused:
            if refused.code != "CONFLICT" or "past" not in str(refused):
                raise


def call(ocs, campaign, fetched):
    handle, guid = fetched["GSW_RECORD_HANDLE"], fetched["GSW_CALL_ATTEMPT_GUID"]
    steps = campaign.steps.get(campaign.record_ids[handle])
    if not steps:
        raise RuntimeError(f"record {handle} is handed out, and the file has no call for it")
    req, body = steps.popleft()
    campaign.called()
    if req == "DoNotCall":
        ocs.do_not_call(handle, body)
        return campaign.finished()
    ocs.update(handle, {**body, "GSW_CALL_ATTEMPT_GUID": guid})
    is_last = steps and steps[0][0] == "RecordProcessed"
    if is_last:
        steps.popleft()
    else:
        reschedule(ocs, handle, guid)
    ocs.processed(handle, {"GSW_CALL_ATTEMPT_GUID": guid})
    if is_last:
        campaign.finished()


def work(group, agent, campaign):
    ocs, fetched_at = Ocs(patience_s=60), time.monotonic()
    while campaign.left > 0 and not campaign.faults:
        try:
            fetched = ocs.preview(group, agent, str(uuid.uuid4()))
            if fetched["GSW_USER_EVENT"] == "PreviewRecord":
                fetched_at = time.monotonic()
                call(ocs, campaign, fetched)
            elif time.monotonic() - fetched_at > STUCK_S:
                raise RuntimeError(f"no record for {STUCK_S} s, and {campaign.left} are left")
            else:
                time.sleep(PAUSE_S)
        except Exception as fault:  # the first fault ends the work of all
            campaign.failed(f"{agent}: {fault!r}")


def main(group, export_path, requests_path, agents):
    campaign = Campaign(export_path, requests_path)
    Ocs().campaign("LoadCampaign", group)
    begun = time.monotonic()
    workers = [threading.Thread(target=work, args=(group, f"agent-{n}", campaign)) for n in range(int(agents))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"{campaign.calls} calls by {agents} agents in {time.monotonic() - begun:.0f} s, {campaign.left} records left")
    for fault in campaign.faults[:10]:
        print(f"  {fault}")
    sys.exit(1 if campaign.faults or campaign.left else 0)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
