#!/usr/bin/env python3
"""A client of the HTTP interface that loses and doubles nothing; needs the standard library alone.

    ocs_client.py AddRecord lists/demo '{"GSW_PHONE": "+12125550100"}'

Every request that changes something has an Idempotency-Key and is sent again with the same key, to each HTTP Proxy in turn, until
an answer comes that stands. OCS_PROXIES names the HTTP Proxies, separated by commas.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

# A node answers within 10 s in every case: only a client that waits longer learns the outcome of its request.
TIMEOUT_S = 15
# 429 and 503: not applied. 504: not known. 408: the request did not arrive whole.
AGAIN = (408, 429, 503, 504)


class Refused(Exception):
    """A refusal that stands: the same request would get it again."""

    def __init__(self, status, answer):
        super().__init__(f"{status} {answer.get('GSW_ERROR_CODE', '')}: {answer.get('GSW_ERROR', '')}")
        self.status = status
        self.code = answer.get("GSW_ERROR_CODE", "")
        self.answer = answer


class Unanswered(Exception):
    """No answer that stands came in time; with the same key the request may be sent again later."""


class Ocs:
    """Both HTTP Proxies of a group, or the load balancer in front of them."""

    def __init__(self, proxies=None, patience_s=60):
        named = proxies or os.environ.get("OCS_PROXIES", "http://127.0.0.1:8080,http://127.0.0.1:8081").split(",")
        self.proxies = [proxy.rstrip("/") for proxy in named]
        self.patience_s = patience_s

    def add(self, list_name, attributes, key=None):
        return self.request("AddRecord", f"lists/{urllib.parse.quote(list_name, safe='')}", attributes, key)

    def update(self, handle, attributes, key=None):
        return self.request("UpdateCallCompletionStats", f"records/{handle}", attributes, key)

    def processed(self, handle, attributes, key=None):
        return self.request("RecordProcessed", f"records/{handle}", attributes, key)

    def reschedule(self, handle, attributes, key=None):
        return self.request("RecordReschedule", f"records/{handle}", attributes, key)

    def reject(self, handle, attributes=None, key=None):
        return self.request("RecordReject", f"records/{handle}", attributes, key)

    def do_not_call(self, handle, attributes=None, key=None):
        return self.request("DoNotCall", f"records/{handle}", attributes, key)

    def cancel_phone(self, phone, attributes=None, key=None):
        return self.request("RequestRecordCancel", f"phones/{urllib.parse.quote(phone, safe='+')}", attributes, key)

    def do_not_call_phone(self, phone, attributes=None, key=None):
        return self.request("DoNotCall", f"phones/{urllib.parse.quote(phone, safe='+')}", attributes, key)

    def preview(self, group, agent_id, key=None):
        """Hands out the next record; without one the answer is PreviewRecordEmpty."""
        return self.campaign("PreviewRecordRequest", group, {"GSW_AGENT_ID": agent_id}, key)

    def campaign(self, req, group, attributes=None, key=None):
        return self.request(req, f"campaigngroups/{urllib.parse.quote(group, safe='@')}", attributes, key)

    def record(self, handle):
        return self._until_answered(f"/records/{handle}", None, None)

    def chain(self, handle):
        """The other records of a record's chain."""
        return self._until_answered(f"/records/{handle}?req=ChainedRecordRequest", None, None)["records"]

    def request(self, req, resource, attributes=None, key=None):
        """Sends a request until it is answered. A caller that may restart passes a key that survives the restart."""
        body = json.dumps(attributes or {}).encode()
        return self._until_answered(f"/{resource}?req={req}", body, key or str(uuid.uuid4()))

    def _until_answered(self, target, body, key):
        give_up_at = time.monotonic() + self.patience_s
        pause_s = 0.1
        while True:
            proxy = self.proxies[0]
            try:
                return self._send(proxy + target, body, key)
            except urllib.error.HTTPError as error:
                answer = parsed(error.read())
                if error.code not in AGAIN:
                    raise Refused(error.code, answer) from None
                why = f"{error.code} {answer.get('GSW_ERROR_CODE', '')}"
                wait_s = seconds(error.headers.get("Retry-After"), pause_s)
            except (OSError, http.client.HTTPException) as error:  # no connection, or no whole answer on it
                why, wait_s = f"no answer ({error})", pause_s
            if time.monotonic() + wait_s > give_up_at:
                raise Unanswered(f"{why} from {proxy}, and no time left")
            print(f"{why} from {proxy}: again in {wait_s:g} s", file=sys.stderr, flush=True)
            time.sleep(wait_s)
            pause_s = min(2 * pause_s, 5)
            self.proxies.append(self.proxies.pop(0))  # the other HTTP Proxy may be well

    @staticmethod
    def _send(url, body, key):
        request = urllib.request.Request(url, data=body, method="GET" if body is None else "POST")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.add_header("Idempotency-Key", key)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return parsed(answer.read())


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:  # another program than HTTP Proxy has answered
        return {}


def seconds(retry_after, default_s):
    return float(retry_after) if retry_after and retry_after.isdigit() else default_s


def main(arguments):
    if len(arguments) not in (2, 3):
        print("usage: ocs_client.py REQUEST RESOURCE [BODY]", file=sys.stderr)
        return 2
    attributes = json.loads(arguments[2]) if len(arguments) == 3 else None
    try:
        print(json.dumps(Ocs().request(arguments[0], arguments[1], attributes)))
    except (Refused, Unanswered) as error:
        print(f"ocs_client.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
