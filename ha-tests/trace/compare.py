#!/usr/bin/env python3
"""Compares what a node exported with what the campaign must leave behind.

usage: compare.py EXPECTED.csv EXPORT.csv BEGUN ENDED

Every column of EXPECTED must be equal, row by row in order of record_id; `handle` is the product's own choice (each once);
`call_time` is a UTC second between BEGUN and ENDED wherever EXPECTED says `set`, and empty elsewhere; `any` is equal to every
value. Exit 1 and the first ten differences if not.
"""
import csv
import sys


def rows(path):
    with open(path, newline="") as source:
        found = {}
        for row in csv.DictReader(source):
            if row["record_id"] in found:
                sys.exit(f"{path}: record_id {row['record_id']} occurs twice")
            found[row["record_id"]] = row
        return found


def right(column, want, have, begun, ended):
    if want == "any":
        return True
    if column != "call_time":
        return want == have
    if want == "set":
        return have.isdigit() and begun <= int(have) <= ended
    return have == ""


def main(expected_path, export_path, begun, ended):
    expected, export = rows(expected_path), rows(export_path)
    faults = [f"record_id {each}: missing" for each in expected if each not in export]
    faults += [f"record_id {each}: nobody asked for it" for each in export if each not in expected]
    if len({row["handle"] for row in export.values()}) != len(export):
        faults.append("a handle occurs twice")
    for record_id, want in expected.items():
        have = export.get(record_id)
        for column, value in (want.items() if have else ()):
            if not right(column, value, have.get(column), begun, ended):
                faults.append(f"record_id {record_id}: {column} is {have.get(column)!r}, must be {value!r}")
    if faults:
        print(f"{export_path}: {len(faults)} differences", *faults[:10], sep="\n  ")
        sys.exit(1)
    print(f"{export_path}: {len(expected)} records, every column as expected")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
