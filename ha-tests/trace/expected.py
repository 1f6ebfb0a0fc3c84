#!/usr/bin/env python3
"""What a campaign must leave behind, computed from its two inputs alone, without the product.

usage: expected.py CALLING_LIST.csv REQUESTS.jsonl EXPECTED.csv [preview]

Reads the calling list and the requests, follows the rules of the specification for the requests that occur
(UpdateCallCompletionStats, RecordProcessed, DoNotCall with its chain) and writes the list as it must be exported, in the
same columns and order; `call_time` is `set` or empty, since the time itself is known only within the run.

With `preview` agents fetched each record as often as the file has calls for it, and rescheduled it for anybody after every call but
the last: the columns that a hand-out sets are `any`.
"""
import csv
import json
import sys

READY, RETRIEVED, UPDATED, CHAIN_UPDATED = "1", "2", "3", "7"
CAMPAIGN_RESCHEDULED, NO_CALL, DO_NOT_CALL = "3", "7", "51"
OF_A_HAND_OUT = ("agent_id", "campaign_id", "group_id", "dial_sched_time")


def chain_of(record, chains):
    return [other for other in chains[record["chain_id"]] if other is not record]


def update(record, body):
    for key, value in body.items():
        column = {"GSW_CALL_RESULT": "call_result", "GSW_ATTEMPTS": "attempt"}.get(key, key)
        if not key.startswith("GSW_") or column != key:
            record[column] = str(value)


def processed(record, body, chains):
    update(record, body)
    record["record_status"] = UPDATED
    record["call_time"] = "set"
    for other in chain_of(record, chains):
        if other["record_status"] in (READY, RETRIEVED):
            other["record_status"] = CHAIN_UPDATED


def do_not_call(record, body, chains):
    marked = [record]
    if body.get("GSW_CHAIN_ATTR", "AllChain") == "AllChain":
        marked += chain_of(record, chains)
    for each in marked:
        each.update(record_type=NO_CALL, call_result=DO_NOT_CALL, record_status=UPDATED)


def fetched(record, calls):
    record.update({column: "any" for column in OF_A_HAND_OUT})
    if calls > 1:
        record["call_time"] = "set"
        if record["record_type"] != NO_CALL:
            record["record_type"] = CAMPAIGN_RESCHEDULED


def main(list_path, requests_path, out_path, mode=""):
    with open(list_path, newline="") as source:
        reader = csv.DictReader(source)
        columns = reader.fieldnames
        records = {int(row["record_id"]): row for row in reader}
    chains = {}
    for record in records.values():
        chains.setdefault(record["chain_id"], []).append(record)
    calls = {}
    with open(requests_path) as trace:
        for line in trace:
            request = json.loads(line)
            record, body = records[request["record_id"]], request["body"]
            calls[request["record_id"]] = calls.get(request["record_id"], 0) + (request["req"] != "RecordProcessed")
            if request["req"] == "UpdateCallCompletionStats":
                update(record, body)
            elif request["req"] == "RecordProcessed":
                processed(record, body, chains)
            elif request["req"] == "DoNotCall":
                do_not_call(record, body, chains)
            else:
                sys.exit(f"a request this program does not know: {request['req']}")
    if mode == "preview":
        for record_id, count in calls.items():
            fetched(records[record_id], count)
    with open(out_path, "w", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records[record_id] for record_id in sorted(records))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
